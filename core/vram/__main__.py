"""Where the command begins, also as `python -m vram`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command. An interrupt ends it without a traceback while it is still being imported, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vram.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
