"""A made-up vendor's platform for `vram`."""
