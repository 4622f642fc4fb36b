"""The built-in plugins of `vram`: everything that could be someone else's package."""
