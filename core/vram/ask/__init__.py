"""From a checkpoint and arguments to a question, the same question for another deployment, and its answer with limits."""
