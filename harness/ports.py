"""Ports on loopback that the system chose and that stay ours until a program of ours listens there, and after it."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class HeldPort:
    """A port that is kept by a bound socket which does not listen: a connect there is refused.

    A program that listens with SO_REUSEADDR, as all programs in Go do, can take it over, give it back and take it again
    meanwhile; a neighbour that asks the system for any free port never gets it.

    Args:
        host: an address of this machine.

    Raises:
        OSError: the system has no port left.
    """

    def __init__(self, host: str = HOST) -> None:
        self._held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind((host, 0))
        self.number: int = self._held.getsockname()[1]

    def listen_and_say_nothing(self) -> None:
        """From now on a connect succeeds, and nothing ever answers."""
        self._held.listen(16)

    def close(self) -> None:
        """Give the port back."""
        self._held.close()
