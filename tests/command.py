"""The command as a person runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

COMMAND = (sys.executable, "-c", "from vram.__main__ import main; main()")


def vram(*arguments: object, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with `text` on standard input, and with these environment variables besides."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        input=text,
        env={**os.environ, **environment},
    )


def refusal_of(*arguments: object) -> str:
    """What is said of bad input, which ends with exit code 2 and no traceback."""
    done = vram(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
