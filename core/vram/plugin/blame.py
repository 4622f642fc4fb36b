"""What a plugin's code may end with without ending the program: any error, and an exit of its own."""

from __future__ import annotations

STUMBLES = (Exception, SystemExit, GeneratorExit)
