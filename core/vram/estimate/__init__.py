"""Arithmetic only, pure functions: weights, then memory, then the cache, then the verdict."""
