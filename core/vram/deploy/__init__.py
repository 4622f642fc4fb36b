"""From an answer to the files that run it, and from such files back to a request."""
