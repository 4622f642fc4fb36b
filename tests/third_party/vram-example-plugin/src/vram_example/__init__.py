"""A third-party plugin of `vram`."""
