"""Second: what the profile run, CUDA graphs and the runtime take, and what they leave."""
