"""From measured start-ups to overhead profiles."""
