"""What one visitor may take of the server: time to say what is wanted, and a share of what is answered at once."""

from __future__ import annotations

import io
import socket
from time import monotonic

#: seconds in which a request must have arrived, its body too, however slowly it drips; and in which an answer must be fetched
PATIENCE = 30.0
#: connections that are held open, and answers that are computed, at once
MOST_CONNECTIONS = 256
MOST_ANSWERS = 8
#: seconds that a question waits for its turn before it is told to come again
TURN = 10.0
#: digits of the longest Content-Length that is read as a number
_DIGITS = 12


class Arriving(io.RawIOBase):
    """What arrives on a socket until a moment, which `begin` puts off. Raises TimeoutError after it."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience, self._until = connection, patience, monotonic() + patience

    def begin(self) -> None:
        """The time of the next request begins."""
        self._until = monotonic() + self._patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def stated_length(header: str | None) -> int | None:
    """A Content-Length as a number; None for what is none, or is longer than any body."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None
