"""What programs ask and are answered: one JSON question, the library's call, one JSON answer, for `vram mcp` and /api/v1 alike."""
