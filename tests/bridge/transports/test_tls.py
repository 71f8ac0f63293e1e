"""TLS on both transports, against a real TLS server: who is trusted, who we are, what is said where it fails."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.endpoint import Endpoint, Tls
from bridge.errors import TransportError
from bridge.transports import Transport
from bridge.transports.waiting import DEFAULT_TIMING
from tests.bridge.transports.authority import Authority
from tests.bridge.transports.benches import MAKERS
from tests.bridge.transports.scripted import QUICK, Peer, Wire

ROOT = Path(__file__).parents[3]
Make = Callable[..., Transport]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """As authority, made once for many runs."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "stranger")


@pytest.fixture(params=MAKERS, scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Iterator[Make]:
    made = []

    def make(port: int, tls: Tls | None, host: str = "localhost", **options: object) -> Transport:
        made.append(MAKERS[kind](Endpoint(host, port, tls=tls), "bridge-test/1", **({"timing": QUICK} | options)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def serve(peer: Peer) -> None:
    peer.greet()
    peer.serve()


def silent(peer: Peer) -> None:
    peer.read_to_end()


def plain(peer: Peer) -> None:
    """As a plain HTTP/2 server meets a TLS client: it greets, and what it gets is no HTTP/2."""
    peer.greet()
    peer.sock.recv(65536)


def reason(transport: Transport, wire: Wire, seconds: float = 5.0) -> str:
    with pytest.raises(TransportError) as caught:
        transport.call(b"secret", wire.allow(seconds))
    assert not caught.value.may_have_arrived
    return caught.value.reason


def says(kind: str, told: str, *, http2: str, grpcio: str = "failed to connect") -> bool:
    """Whether the reason is in it; grpcio tells only the last of several addresses."""
    return (http2 if kind == "http2" else grpcio) in told


def records() -> st.SearchStrategy[bytes]:
    """TLS records of every kind around noise."""
    return st.builds(
        lambda kind, noise: bytes((kind, 3, 3)) + len(noise).to_bytes(2, "big") + noise,
        st.sampled_from([20, 21, 22, 23]),
        st.binary(max_size=60),
    )


# Who is trusted


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_call_over_tls_speaks_http2_under_the_name_that_was_asked_for(
    make: Make, wire: Wire, authority: Authority, host: str
):
    context = authority.server()
    asked: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    server = wire.serve(serve, context=context)
    transport = make(server.port, authority.tls(), host)
    for size in (0, 300_000, 1):
        assert transport.call(bytes(size), wire.allow()).status == 0
    assert dict(server.peers[0].requests[1].headers)[b":scheme"] == b"https"
    assert [len(request.body) - 5 for request in server.peers[0].requests.values()] == [0, 300_000, 1]
    assert server.peers[0].sock.selected_alpn_protocol() == "h2"
    assert asked[0] == (None if host[0].isdigit() else host), "a literal address is no server name"


def test_a_certificate_of_another_authority_is_not_accepted(
    kind: str, make: Make, wire: Wire, authority: Authority, stranger: Authority
):
    server = wire.serve(serve, context=authority.server())
    told = reason(make(server.port, stranger.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="its certificate is not accepted: ", grpcio="CERTIFICATE_VERIFY_FAILED")
    assert not server.peers


def test_the_systems_bundle_does_not_know_a_throw_away_authority(
    kind: str, make: Make, wire: Wire, authority: Authority
):
    told = reason(make(wire.serve(serve, context=authority.server()).port, Tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="OTEL_EXPORTER_OTLP_CERTIFICATE names whom to trust", grpcio="CERTIFICATE_VERIFY")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_name_is_not_accepted(
    kind: str, make: Make, wire: Wire, authority: Authority, host: str
):
    server = wire.serve(serve, context=authority.server("collector.example", "192.0.2.1"))
    told = reason(make(server.port, authority.tls(), host), wire)
    assert says(kind, told, http2="mismatch")
    assert not any(peer.requests for peer in server.peers)


def test_a_certificate_that_has_expired_is_not_accepted(kind: str, make: Make, wire: Wire, authority: Authority):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    server = wire.serve(serve, context=authority.server(expires=yesterday))
    told = reason(make(server.port, authority.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="certificate has expired", grpcio="certificate has expired")


# Who we are


def test_mutual_tls_shows_our_certificate(make: Make, wire: Wire, authority: Authority):
    server = wire.serve(serve, context=authority.server(mutual=True))
    assert make(server.port, authority.tls(*authority.client("me"))).call(b"", wire.allow()).status == 0
    shown = server.peers[0].sock.getpeercert()
    assert ((("commonName", "me"),)) in shown["subject"]


def test_a_key_may_stand_in_the_certificates_file(make: Make, wire: Wire, authority: Authority):
    certificate, key = authority.client()
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    server = wire.serve(serve, context=authority.server(mutual=True))
    assert make(server.port, authority.tls(certificate)).call(b"", wire.allow()).status == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_peer_that_asks_for_a_certificate_which_we_lack_is_understood(
    kind: str, make: Make, wire: Wire, authority: Authority, version: ssl.TLSVersion
):
    context = authority.server(mutual=True)
    context.minimum_version = context.maximum_version = version
    told = reason(make(wire.serve(serve, context=context).port, authority.tls(), "127.0.0.1"), wire)
    if kind == "http2":
        assert ("client certificate" in told) or ("handshake failure" in told)


def test_a_peer_that_does_not_accept_our_certificate_is_understood(
    kind: str, make: Make, wire: Wire, authority: Authority, stranger: Authority
):
    server = wire.serve(serve, context=authority.server(mutual=True))
    told = reason(make(server.port, authority.tls(*stranger.client()), "127.0.0.1"), wire)
    assert says(kind, told, http2="accept our client certificate")


def test_renewed_certificates_are_taken_at_the_next_connection(make: Make, wire: Wire, authority: Authority):
    server = wire.serve(serve, context=authority.server(mutual=True))
    transport = make(server.port, authority.tls(*authority.client("me")))
    assert transport.call(b"1", wire.allow()).status == 0
    first = server.peers[0].sock.getpeercert()["serialNumber"]
    transport.close()
    authority.client("me")
    assert transport.call(b"2", wire.allow()).status == 0
    assert server.peers[1].sock.getpeercert()["serialNumber"] != first


def test_grpcio_which_connects_by_itself_leaves_its_channel_where_a_file_was_renewed(wire: Wire, authority: Authority):
    shown = []

    def script(peer: Peer) -> None:
        shown.append(peer.sock.getpeercert()["serialNumber"])
        serve(peer)

    server = wire.serve(script, context=authority.server(mutual=True))
    tls = authority.tls(*authority.client("me"))
    transport = MAKERS["grpcio"](Endpoint("localhost", server.port, tls=tls), "bridge-test/1", timing=QUICK)
    for _ in range(2):
        assert transport.call(b"", wire.allow()).status == 0
    assert len(shown) == 1
    authority.client("me")
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    assert len(set(shown)) == 2


def test_a_renewed_authority_is_taken_and_a_broken_file_meanwhile_is_said(
    make: Make, wire: Wire, authority: Authority, stranger: Authority, tmp_path: Path
):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(stranger.path.read_bytes())
    transport = make(wire.serve(serve, context=authority.server()).port, Tls(trusted))
    reason(transport, wire)
    trusted.write_bytes(authority.path.read_bytes()[:100])
    assert "there is no PEM certificate in it" in reason(transport, wire)
    trusted.unlink()
    assert "cannot be read" in reason(transport, wire)
    trusted.write_bytes(authority.path.read_bytes())
    assert transport.call(b"", wire.allow()).status == 0


def test_a_key_and_a_certificate_that_do_not_belong_together_are_said_and_not_sent(
    make: Make, wire: Wire, authority: Authority
):
    certificate, key = authority.client("me")[0], authority.client("you")[1]
    server = wire.serve(serve, context=authority.server(mutual=True))
    assert "belongs to another certificate" in reason(make(server.port, authority.tls(certificate, key)), wire)
    assert not server.peers


# Peers that are somebody else, or say nothing


def test_a_plain_peer_where_tls_is_expected_is_said(kind: str, make: Make, wire: Wire, authority: Authority):
    told = reason(make(wire.serve(plain).port, authority.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="does not speak TLS, but the endpoint asks for it", grpcio="WRONG_VERSION_NUMBER")


def test_a_tls_peer_where_plain_is_expected_is_said(kind: str, make: Make, wire: Wire, authority: Authority):
    told = reason(make(wire.serve(serve, context=authority.server()).port, None, "127.0.0.1"), wire)
    if kind == "http2":
        assert "the peer speaks TLS" in told or "does it expect TLS? then use https://" in told


def test_a_tls_peer_without_http2_is_said(kind: str, make: Make, wire: Wire, authority: Authority):
    context = authority.server()
    context.set_alpn_protocols(["http/1.1"])
    told = reason(make(wire.serve(silent, context=context).port, authority.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="not HTTP/2 over it (ALPN", grpcio="ALPN")


def test_a_peer_that_hangs_up_in_the_handshake_is_said(kind: str, make: Make, wire: Wire, authority: Authority):
    def hang_up(peer: Peer) -> None:
        peer.sock.recv(65536)

    told = reason(make(wire.serve(hang_up).port, authority.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="closed the connection in the TLS handshake")


def test_a_handshake_that_hangs_is_given_up_in_time(kind: str, make: Make, wire: Wire, authority: Authority):
    began = time.monotonic()
    told = reason(make(wire.serve(silent).port, authority.tls(), "127.0.0.1"), wire)
    assert says(kind, told, http2="did not finish the TLS handshake within 0.5 s")
    assert time.monotonic() - began < 1.5


def test_a_stop_ends_a_handshake_that_hangs(make: Make, wire: Wire, authority: Authority):
    patience = wire.allow(30)
    threading.Timer(0.1, patience.shorten, (0,)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        make(wire.serve(silent).port, authority.tls(), timing=DEFAULT_TIMING).call(b"", patience)
    assert time.monotonic() - began < 1.0


def test_an_encrypted_connection_that_ends_is_made_again(make: Make, wire: Wire, authority: Authority):
    def once(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)

    server = wire.serve(once, once, serve, context=authority.server())
    transport = make(server.port, authority.tls())
    for _ in range(3):
        assert transport.call(b"", wire.allow()).status == 0
        transport.idle(-1, 0.05)
    assert len(server.peers) == 3


def test_many_small_records_in_one_packet_are_all_read(wire: Wire, authority: Authority):
    """OpenSSL could hold back what the socket's readiness no longer shows; the answer comes in forty records."""

    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.h2.send_headers(stream_id, ((":status", "200"), ("content-type", "application/grpc")))
        for byte in b"\0\0\0\0\x24" + bytes(36):
            peer.h2.send_data(stream_id, bytes((byte,)))
            peer.flush()
        peer.h2.send_headers(stream_id, (("grpc-status", "0"),), end_stream=True)
        peer.flush()
        peer.read_to_end()

    transport = MAKERS["http2"](
        Endpoint("localhost", wire.serve(script, context=authority.server()).port, tls=authority.tls()), "t/1"
    )
    assert transport.call(b"", wire.allow()).body == bytes(36)
    transport.close()


def test_close_says_so_in_tls_too(wire: Wire, authority: Authority):
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.sock.suppress_ragged_eofs = False  # else an end without TLS's own good-bye looks the same
        peer.read_to_end()
        ended.set()

    transport = wire.transport(wire.serve(script, context=authority.server()).port, "localhost", tls=authority.tls())
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    assert ended.wait(2)


def test_noise_between_the_records_ends_the_call_and_not_the_bridge(make: Make, wire: Wire, authority: Authority):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        with socket.socket(fileno=os.dup(peer.sock.fileno())) as below:
            below.sendall(b"\xff" * 64)
        peer.read_to_end()

    transport = make(wire.serve(script, serve, context=authority.server()).port, authority.tls())
    with pytest.raises(TransportError) as caught:
        transport.call(b"", wire.allow())
    assert caught.value.may_have_arrived
    assert transport.call(b"", wire.allow()).status == 0


@settings(max_examples=25, deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=40), records()), max_size=4), hang_up=st.booleans())
def test_whatever_bytes_come_in_a_handshake_the_call_ends_in_a_transport_error(
    kind: str, authorities: Authority, pieces: list[bytes], *, hang_up: bool
):
    def script(peer: Peer) -> None:
        for piece in pieces:
            peer.raw(piece)
        if not hang_up:
            peer.read_to_end()

    wire = Wire()
    endpoint = Endpoint("127.0.0.1", wire.serve(script).port, tls=authorities.tls())
    transport = MAKERS[kind](endpoint, "bridge-test/1", timing=QUICK)
    began = time.monotonic()
    try:
        with pytest.raises(TransportError) as caught:
            transport.call(b"secret", wire.allow(0.4))
    finally:
        transport.close()
        wire.close()
    assert not caught.value.may_have_arrived or kind == "grpcio"
    assert time.monotonic() - began < 2.0


# What it costs


def test_files_that_did_not_change_are_not_read_again(wire: Wire, authority: Authority):
    server = wire.serve(serve, context=authority.server())
    transport = wire.transport(server.port, "localhost", tls=authority.tls())
    contexts = set()
    for _ in range(3):
        assert transport.call(b"", wire.allow()).status == 0
        contexts.add(transport._encryption._context)
        transport.close()
    assert len(server.peers) == 3
    assert len(contexts) == 1


def test_ssl_is_loaded_only_where_tls_is_asked_for():
    program = (
        "import sys; from bridge.settings import Settings; from bridge import wiring;"
        "wiring.make_transport(Settings.from_mapping({'OTEL_EXPORTER_OTLP_ENDPOINT': sys.argv[1]}));"
        "print('ssl' in sys.modules)"
    )
    for endpoint in ("http://localhost:1", "localhost:1", "unix:/tmp/x"):
        done = subprocess.run(
            [sys.executable, "-c", program, endpoint], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert done.stdout.strip() == "False"


@pytest.mark.parametrize("field", ["ca_path", "client_certificate_path", "client_key_path"])
def test_a_file_that_vanishes_is_told_with_its_setting_and_its_path(
    make: Make, authority: Authority, wire: Wire, field: str, tmp_path: Path
):
    certificate, key = authority.client()
    tls = authority.tls(certificate, key)._replace(**{field: tmp_path / "vanished.pem"})
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TransportError) as raised:
        make(listener.getsockname()[1], tls).call(b"x", wire.allow(5))
    variable = {"ca_path": "", "client_certificate_path": "CLIENT_", "client_key_path": "CLIENT_"}[field]
    kind = "KEY" if field == "client_key_path" else "CERTIFICATE"
    assert (
        f"TLS is not possible: OTEL_EXPORTER_OTLP_{variable}{kind}={tmp_path}/vanished.pem: "
        "it cannot be read: no such file or directory"
    ) in raised.value.reason
