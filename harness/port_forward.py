"""A port of a Service, reached on loopback through the API server."""

from __future__ import annotations

import re
from pathlib import Path

from harness.kubectl import Kubectl, KubectlError
from harness.waiting import Patience, WaitedTooLongError

_READY_SECONDS = 20.0
_LISTENS = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


class PortForward:
    """One ``kubectl port-forward``.

    Args:
        kubectl: in the Service's namespace.
        target: what is reached, as ``service/NAME``.
        port: of it.
        log: the file that kubectl writes to.
        patience: for the wait.

    Raises:
        KubectlError: it cannot be started, or does not listen in time.
        InterruptedRunError: the run was told to end.
    """

    def __init__(self, kubectl: Kubectl, target: str, port: int, log: Path, patience: Patience) -> None:
        with log.open("wb") as said:
            self._process = kubectl.start("port-forward", target, f":{port}", stdout=said, log=said)

        def listens() -> bool:
            return self._process.poll() is not None or _LISTENS.search(log.read_bytes()) is not None

        try:
            patience.until(listens, within=_READY_SECONDS, what=f"a way to port {port} of {target}")
        except WaitedTooLongError:
            pass
        except BaseException:
            self.close()
            raise
        if (found := _LISTENS.search(log.read_bytes())) is None:
            self.close()
            raise KubectlError(f"there is no way to port {port} of {target}: {log.read_text(errors='replace')}")
        self.port = int(found[1])
        """On loopback."""

    @property
    def alive(self) -> bool:
        """Whether kubectl still holds it."""
        return self._process.poll() is None

    def close(self) -> None:
        """Give it up."""
        self._process.kill()
        self._process.wait()
