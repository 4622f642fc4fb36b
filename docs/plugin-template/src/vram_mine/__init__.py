"""What it adds to vram."""
