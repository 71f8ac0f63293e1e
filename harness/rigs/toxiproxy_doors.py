"""What faults may do to the way from the bridge to the collector where a real Toxiproxy stands on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harness.control import ControlError
from harness.faults import FaultError
from harness.faults.http2_probe import Dialled
from harness.ports import HOST
from harness.toxiproxy import Proxy, Toxic, ToxiproxyError

SILENCE = (Toxic("timeout", "upstream", {"timeout": 0}), Toxic("timeout", "downstream", {"timeout": 0}))
"""Nothing passes and nothing closes. When it is taken away, Toxiproxy closes the connections that were under it."""


class ToxiproxyDoor(Dialled):
    """See `harness.faults.contract`: `CollectorDoor` and `NetworkDoor` in one.

    Args:
        proxy: the proxy that the bridge dials.
        port: where it listens; nobody else does, so that a connect is refused while the proxy is disabled.
        cut_behind: has the relay reset what is open between Toxiproxy and the collector; may raise ControlError.
        host: where it listens.
    """

    def __init__(self, proxy: Proxy, port: int, cut_behind: Callable[[], object], host: str = HOST) -> None:
        self.host = host
        self.port = port
        self._proxy = proxy
        self._cut_behind = cut_behind

    def set_mode(self, mode: str) -> None:
        """``refuse``: the proxy is disabled; ``silent``: it swallows everything; ``forward``: neither."""
        with _as_faults():
            if mode == "silent":
                for toxic in SILENCE:
                    self._proxy.add(toxic)
            else:
                for toxic in SILENCE:
                    self._proxy.remove(toxic)
            self._proxy.enable(mode != "refuse")

    def mode(self) -> str:
        """Ask Toxiproxy."""
        with _as_faults():
            state = self._proxy.state()
        if not state.enabled:
            return "refuse"
        return "silent" if {toxic.name for toxic in SILENCE} <= {toxic.name for toxic in state.toxics} else "forward"

    def spoil(self, toxics: Sequence[Toxic], *, reconnect: bool) -> None:
        """Add toxics, with the proxy disabled meanwhile when every connection is to begin under them."""
        with _as_faults():
            if reconnect:
                self._proxy.enable(False)
            for toxic in toxics:
                self._proxy.add(toxic)
            if reconnect:
                self._proxy.enable(True)

    def mend(self, toxics: Sequence[Toxic]) -> None:
        """Take toxics away, all of them whatever happens to one; the proxy listens afterwards."""
        problems = []
        for toxic in toxics:
            try:
                self._proxy.remove(toxic)
            except ToxiproxyError as problem:
                problems.append(str(problem))
        if problems:
            raise FaultError("; ".join(problems))
        with _as_faults():
            self._proxy.enable(True)

    def toxics(self) -> tuple[Toxic, ...]:
        """Ask Toxiproxy."""
        with _as_faults():
            return self._proxy.state().toxics

    def cut(self) -> None:
        """Reset what is open behind Toxiproxy."""
        try:
            self._cut_behind()
        except ControlError as problem:
            raise FaultError(str(problem)) from problem


@contextmanager
def _as_faults() -> Iterator[None]:
    try:
        yield
    except ToxiproxyError as problem:
        raise FaultError(str(problem)) from problem
