"""`vllm serve` commands as people write them: pasted, in scripts, compose files and Kubernetes manifests."""
