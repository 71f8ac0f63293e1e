"""Toxiproxy's one room: its client library with each of that library's traps closed.

toxiproxy-python 0.1.1 keeps one address for the whole process, waits for ever, takes a 5xx for success and does not say
what became of a toxic. Here each instance has its address in a class of its own, every call is bounded and obeys no
proxy of the environment, every answer but 2xx is an error, and whatever is set is read back. Toxicity is always 1: it
is drawn for each connection, and a bridge has one for the whole run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

Stream = Literal["upstream", "downstream"]
"""Upstream: from the bridge to the collector."""
CALL_SECONDS = 8.0
"""To take a toxic away may last 5 s in Toxiproxy itself: it hands over what the toxic held back."""
_DIRECT = {"http": None}


class ToxiproxyError(Exception):
    """Toxiproxy is out of reach, refused a command, or did not do what it said."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """One way of spoiling one direction of a proxy's connections. Times in ``attributes`` are ms, rates KB/s."""

    type: str
    stream: Stream
    attributes: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in Toxiproxy: a proxy has one of a type for each direction."""
        return f"{self.type}_{self.stream}"


@dataclass(frozen=True, slots=True)
class ProxyState:
    """What Toxiproxy says of a proxy."""

    enabled: bool
    listen: str
    upstream: str
    toxics: tuple[Toxic, ...]


class Toxiproxy:
    """One Toxiproxy server.

    Args:
        host: of its API.
        port: of its API.
        call_seconds: each call is given up after so long without an answer.
    """

    def __init__(self, host: str, port: int, *, call_seconds: float = CALL_SECONDS) -> None:
        self._api = cast("type[APIConsumer]", type("OneToxiproxy", (APIConsumer,), {"host": host, "port": port}))
        self._call_seconds = call_seconds
        self._where = f"Toxiproxy on {host}:{port}"

    def version(self) -> str:
        """Its version.

        Raises:
            ToxiproxyError: it does not answer.
        """
        return str(self.ask("get", "/version").get("version"))

    def create(self, name: str, *, listen: str, upstream: str, toxics: Iterable[Toxic] = ()) -> Proxy:
        """Make a proxy; no connection ever passes it without its toxics.

        Args:
            name: of the proxy.
            listen: ``host:port`` for the bridge.
            upstream: ``host:port`` of what stands behind.
            toxics: what it has from the first connection on.

        Raises:
            ToxiproxyError: it cannot be made, or does not listen where it should.
        """
        self.ask("post", "/proxies", {"name": name, "listen": listen, "upstream": upstream, "enabled": False})
        proxy = Proxy(self, name)
        for toxic in toxics:
            proxy.add(toxic)
        proxy.enable(True)
        state = proxy.state()
        if (state.listen, state.upstream) != (listen, upstream):
            raise ToxiproxyError(f"{self._where} made {name!r} from {state.listen} to {state.upstream}")
        return proxy

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Make one call of the API; gives the answer's object, an empty one where there is none.

        Raises:
            ToxiproxyError: no answer in time, any answer but 2xx, or one that is no object.
        """
        more = {} if body is None else {"json": body}
        try:
            answer = getattr(self._api, method)(path, timeout=self._call_seconds, proxies=_DIRECT, **more)
            answer.raise_for_status()
            said = answer.json() if answer.content else {}
        except (ProxyExists, NotFound, InvalidToxic) as problem:
            raise ToxiproxyError(f"{self._where} refused {method} {path}: {_plain(problem)}") from problem
        except (requests.RequestException, ValueError) as problem:
            raise ToxiproxyError(f"{self._where} failed at {method} {path}: {problem}; see toxiproxy.log") from problem
        if not isinstance(said, dict):
            raise ToxiproxyError(f"{self._where} answered {method} {path} with {said!r}")
        return said


class Proxy:
    """One proxy of a Toxiproxy server.

    Args:
        server: where it is.
        name: what it is called there.
    """

    def __init__(self, server: Toxiproxy, name: str) -> None:
        self._server = server
        self._path = f"/proxies/{name}"
        self._name = name

    def state(self) -> ProxyState:
        """Ask Toxiproxy what the proxy is now.

        Raises:
            ToxiproxyError: it does not answer, or the proxy is gone.
        """
        said = self._server.ask("get", self._path)
        try:
            toxics = tuple(_read(toxic) for toxic in said["toxics"])
            return ProxyState(bool(said["enabled"]), said["listen"], said["upstream"], toxics)
        except (KeyError, TypeError) as problem:
            raise ToxiproxyError(f"Toxiproxy says {said!r} of {self._name!r}") from problem

    def enable(self, enabled: bool) -> None:
        """Listen, or close every connection and listen no more; reads it back.

        Raises:
            ToxiproxyError: it did not become so.
        """
        self._server.ask("post", self._path, {"enabled": enabled})
        if self.state().enabled != enabled:
            raise ToxiproxyError(f"{self._name!r} did not become {'enabled' if enabled else 'disabled'}")

    def add(self, toxic: Toxic) -> None:
        """Add a toxic, for open connections too; reads it back.

        Raises:
            ToxiproxyError: it was refused, or is not there as it was asked for.
        """
        asked = {"name": toxic.name, "type": toxic.type, "stream": toxic.stream, "toxicity": 1.0}
        self._server.ask("post", f"{self._path}/toxics", {**asked, "attributes": toxic.attributes})
        if not any(_is_as_asked(found, toxic) for found in self.state().toxics):
            raise ToxiproxyError(f"{toxic.name} is not at {self._name!r} as it was asked for: {self.state().toxics}")

    def remove(self, toxic: Toxic) -> None:
        """Take a toxic away where it is there; reads it back.

        Raises:
            ToxiproxyError: it is still there, or Toxiproxy does not answer.
        """
        if toxic.name not in {found.name for found in self.state().toxics}:
            return
        self._server.ask("delete", f"{self._path}/toxics/{toxic.name}")
        if toxic.name in {found.name for found in self.state().toxics}:
            raise ToxiproxyError(f"{toxic.name} is still at {self._name!r}")


def _read(said: Mapping[str, Any]) -> Toxic:
    if said["toxicity"] != 1:
        raise ToxiproxyError(f"{said['name']} has a toxicity of {said['toxicity']}: some connections escape it")
    return Toxic(said["type"], said["stream"], dict(said["attributes"]))


def _is_as_asked(found: Toxic, asked: Toxic) -> bool:
    """Toxiproxy adds attributes that were not asked for with their usual values."""
    return found.name == asked.name and asked.attributes.items() <= found.attributes.items()


def _plain(problem: Exception) -> str:
    said = problem.args[0] if problem.args else problem
    return said.decode(errors="replace").strip() if isinstance(said, bytes) else str(said)
