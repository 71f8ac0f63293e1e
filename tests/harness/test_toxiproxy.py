"""Toxiproxy's one room, against a stand-in that behaves badly: each trap of the client library is closed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.toxiproxy import Toxic, Toxiproxy, ToxiproxyError

SLOW = Toxic("latency", "upstream", {"latency": 400, "jitter": 0})


class StandIn(ThreadingHTTPServer):
    """Knows one proxy; its faults are set from outside. `calls` is what it was asked, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str, dict[str, object]]] = []
        self.proxy: dict[str, object] = {"name": "p", "listen": "", "upstream": "", "enabled": True, "toxics": []}
        self.version = "2.12.0"
        self.status = 200
        self.silent = False
        self.over = threading.Event()
        self.forgets_toxics = False
        self.halves_toxicity = False
        self.deaf_to_enabled = False
        self.listens_on: str | None = None

    @property
    def port(self) -> int:
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        self._answer({})

    def do_DELETE(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict[str, object]) -> None:
        server = self.server
        server.calls.append((self.command, self.path, body))
        if server.silent:
            server.over.wait(10)
            return
        if self.path.endswith("/toxics") and not server.forgets_toxics:
            toxicity = 0.5 if server.halves_toxicity else body["toxicity"]
            server.proxy["toxics"] = [{**body, "toxicity": toxicity}]
        elif self.command == "POST":
            changes = {key: value for key, value in body.items() if key != "enabled" or not server.deaf_to_enabled}
            server.proxy |= changes
            server.proxy["listen"] = server.listens_on or server.proxy["listen"]
        text = json.dumps({"version": server.version} if self.path == "/version" else server.proxy).encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def create(server: StandIn, **more: object):
    return Toxiproxy("127.0.0.1", server.port).create("p", listen="127.0.0.1:1", upstream="127.0.0.1:2", **more)


def test_two_servers_are_two_addresses_although_the_library_has_one_for_all(stand_in: StandIn):
    with StandIn() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        other.version = "9.9.9"
        one, two = Toxiproxy("127.0.0.1", stand_in.port), Toxiproxy("127.0.0.1", other.port)
        assert [one.version(), two.version(), one.version()] == ["2.12.0", "9.9.9", "2.12.0"]
        other.shutdown()


def test_a_proxy_is_made_disabled_then_spoiled_then_enabled(stand_in: StandIn):
    create(stand_in, toxics=[SLOW])
    changes = [(path, body.get("enabled")) for method, path, body in stand_in.calls if method == "POST"]
    assert changes == [("/proxies", False), ("/proxies/p/toxics", None), ("/proxies/p", True)]


def test_a_server_error_is_an_error(stand_in: StandIn):
    stand_in.status = 500
    with pytest.raises(ToxiproxyError, match="500"):
        Toxiproxy("127.0.0.1", stand_in.port).version()


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_refusal_is_an_error_that_says_what_was_asked(stand_in: StandIn, status: int):
    stand_in.status = status
    with pytest.raises(ToxiproxyError, match="refused get /version"):
        Toxiproxy("127.0.0.1", stand_in.port).version()


def test_a_server_that_says_nothing_is_given_up(stand_in: StandIn):
    stand_in.silent = True
    began = time.monotonic()
    with pytest.raises(ToxiproxyError, match="timed out"):
        Toxiproxy("127.0.0.1", stand_in.port, call_seconds=0.2).version()
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_there_is_an_error_that_names_its_log(stand_in: StandIn):
    port = stand_in.port
    stand_in.shutdown()
    stand_in.server_close()
    with pytest.raises(ToxiproxyError, match=r"toxiproxy\.log"):
        Toxiproxy("127.0.0.1", port).version()


def test_a_proxy_of_the_environment_is_not_asked(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert Toxiproxy("127.0.0.1", stand_in.port).version() == "2.12.0"


def test_a_toxic_that_was_taken_and_is_not_there_is_found_out(stand_in: StandIn):
    proxy = create(stand_in)
    stand_in.forgets_toxics = True
    with pytest.raises(ToxiproxyError, match="not at 'p'"):
        proxy.add(SLOW)


def test_a_toxic_with_other_figures_is_not_the_one_that_was_asked_for(stand_in: StandIn):
    proxy = create(stand_in)
    proxy.add(SLOW)
    stand_in.forgets_toxics = True
    with pytest.raises(ToxiproxyError, match="not at 'p'"):
        proxy.add(Toxic("latency", "upstream", {"latency": 500, "jitter": 0}))


def test_a_toxic_that_some_connections_escape_is_refused(stand_in: StandIn):
    proxy = create(stand_in)
    stand_in.halves_toxicity = True
    with pytest.raises(ToxiproxyError, match="toxicity"):
        proxy.add(SLOW)


def test_a_toxic_that_stays_although_it_was_deleted_is_found_out(stand_in: StandIn):
    proxy = create(stand_in, toxics=[SLOW])
    with pytest.raises(ToxiproxyError, match="still"):
        proxy.remove(SLOW)


def test_a_toxic_that_is_not_there_needs_no_removal(stand_in: StandIn):
    proxy = create(stand_in)
    proxy.remove(SLOW)
    assert not [path for method, path, _ in stand_in.calls if method == "DELETE"]


def test_a_proxy_that_stays_enabled_is_found_out(stand_in: StandIn):
    proxy = create(stand_in)
    stand_in.deaf_to_enabled = True
    with pytest.raises(ToxiproxyError, match="did not become disabled"):
        proxy.enable(False)


def test_a_proxy_that_listens_elsewhere_is_refused(stand_in: StandIn):
    stand_in.listens_on = "127.0.0.1:7"
    with pytest.raises(ToxiproxyError, match=r"from 127\.0\.0\.1:7"):
        create(stand_in)
