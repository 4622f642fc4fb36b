"""First: what each rank holds once the model is loaded."""
