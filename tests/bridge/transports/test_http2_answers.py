"""What a peer answers, and what becomes of it. The peer is a scripted one, so that it can also answer nonsense."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes

from bridge.errors import TransportError
from bridge.transports import Answer
from bridge.transports.http2_exchange import (
    BODY_BYTES_MAX,
    MESSAGE_CHARACTERS_MAX,
    decoded_details,
    decoded_message,
    unframed,
)
from tests.bridge.transports.scripted import OK_HEADERS, Peer, Script, Wire

Block = tuple[tuple[str, str | bytes], ...]


def answering(*blocks: Block, body: bytes | None = None) -> Script:
    """A script that answers one request with these header blocks, a body between the first and the second."""

    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        for number, block in enumerate(blocks):
            last = number == len(blocks) - 1
            peer.h2.send_headers(stream_id, block, end_stream=last and (number > 0 or body is None))
            if number == 0 and body is not None:
                peer.h2.send_data(stream_id, body, end_stream=last)
        peer.flush()
        peer.read_to_end()

    return script


@pytest.fixture
def answer_to(wire: Wire) -> Callable[..., Answer]:
    """The answer that one script's blocks turn into."""

    def answer_to(*blocks: Block, body: bytes | None = None) -> Answer:
        return wire.transport(wire.serve(answering(*blocks, body=body)).port).call(b"request", wire.allow())

    return answer_to


def test_headers_body_and_trailers_make_an_answer(answer_to: Callable[..., Answer]):
    answer = answer_to(OK_HEADERS, (("grpc-status", "0"),), body=b"\0\0\0\0\x02ok")
    assert answer == Answer(0, "", None, b"ok")


def test_trailers_alone_make_an_answer(answer_to: Callable[..., Answer]):
    answer = answer_to((*OK_HEADERS, ("grpc-status", "14"), ("grpc-message", "full%20of %E2%82%AC")))
    assert answer == Answer(14, "full of €")


def test_status_details_come_without_padding(answer_to: Callable[..., Answer]):
    answer = answer_to(OK_HEADERS, (("grpc-status", "8"), ("grpc-status-details-bin", "CAgSBGJ1c3k")), body=b"")
    assert answer == Answer(8, "", b"\x08\x08\x12\x04busy")


def test_ok_without_a_message_stays_ok(answer_to: Callable[..., Answer]):
    assert answer_to((*OK_HEADERS, ("grpc-status", "0"))) == Answer(0)


def test_a_status_beside_another_http_status_counts(answer_to: Callable[..., Answer]):
    assert answer_to(((":status", "503"), ("grpc-status", "3"))).status == 3


@pytest.mark.parametrize(
    ("http_status", "status"),
    [
        ("400", 13),
        ("413", 2),
        ("429", 14),
        ("431", 13),
        ("502", 14),
        ("503", 14),
        ("504", 14),
    ],
)
def test_an_http_status_that_speaks_of_the_request_or_asks_for_patience_is_translated(
    answer_to: Callable[..., Answer], http_status: str, status: int
):
    answer = answer_to(((":status", http_status),), body=b"<html>")
    assert answer.status == status
    assert http_status in answer.message


def test_an_answer_without_grpc_status_is_unknown(answer_to: Callable[..., Answer]):
    assert answer_to(OK_HEADERS, body=b"\0\0\0\0\0") == Answer(2, "the peer answered without grpc-status")


@pytest.mark.parametrize("http_status", ["401", "403", "404", "500", "302"])
def test_any_other_http_status_without_grpc_status_is_no_answer(answer_to: Callable[..., Answer], http_status: str):
    with pytest.raises(TransportError, match=f"HTTP status {http_status} and without grpc-status") as caught:
        answer_to(((":status", http_status),), body=b"<html>")
    assert caught.value.may_have_arrived


def test_what_is_no_grpc_is_no_answer_and_says_what_it_is(answer_to: Callable[..., Answer]):
    with pytest.raises(TransportError, match="it answered with content-type 'text/html'"):
        answer_to(((":status", "200"), ("content-type", "text/html")), body=b"<html>")


@pytest.mark.parametrize("text", ["", "-1", "none", "1e1", "99999", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_status_that_is_no_number_is_unknown(answer_to: Callable[..., Answer], text: str):
    assert answer_to((*OK_HEADERS, ("grpc-status", text.encode()))).status == 2


def test_informational_headers_are_skipped(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.h2.send_headers(stream_id, ((":status", "103"),))
        peer.answer(stream_id)
        peer.read_to_end()

    assert wire.transport(wire.serve(script).port).call(b"", wire.allow()).status == 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCodes.NO_ERROR, 13),
        (ErrorCodes.PROTOCOL_ERROR, 13),
        (ErrorCodes.INTERNAL_ERROR, 13),
        (ErrorCodes.FLOW_CONTROL_ERROR, 13),
        (ErrorCodes.SETTINGS_TIMEOUT, 13),
        (ErrorCodes.FRAME_SIZE_ERROR, 13),
        (ErrorCodes.CANCEL, 1),
        (ErrorCodes.COMPRESSION_ERROR, 13),
        (ErrorCodes.CONNECT_ERROR, 13),
        (ErrorCodes.ENHANCE_YOUR_CALM, 8),
        (ErrorCodes.INADEQUATE_SECURITY, 7),
        (0xBEEF, 13),
    ],
)
def test_a_reset_stream_is_translated_as_grpc_has_it(wire: Wire, code: int, status: int):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.h2.reset_stream(peer.request().stream_id, code)
        peer.flush()
        peer.serve()

    transport = wire.transport(wire.serve(script).port)
    assert transport.call(b"", wire.allow()).status == status
    assert transport.call(b"", wire.allow()).status == 0, "the connection outlives a reset stream"


def test_a_refused_stream_has_not_arrived_and_may_be_sent_again(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.h2.reset_stream(peer.request().stream_id, ErrorCodes.REFUSED_STREAM)
        peer.flush()
        peer.serve()

    transport = wire.transport(wire.serve(script).port)
    with pytest.raises(TransportError, match="REFUSED_STREAM") as caught:
        transport.call(b"", wire.allow())
    assert not caught.value.may_have_arrived
    assert transport.call(b"", wire.allow()).status == 0


def test_an_answer_before_the_request_was_sent_whole_is_taken(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        while not peer.requests:
            peer.read(acknowledge=False)
        peer.h2.send_headers(1, (*OK_HEADERS, ("grpc-status", "8")), end_stream=True)
        peer.flush()
        while not any(type(event).__name__ == "StreamReset" for event in peer.events):
            peer.read(acknowledge=False)
        assert peer.events[-1].error_code == ErrorCodes.NO_ERROR
        peer.read_to_end()

    server = wire.serve(script)
    transport = wire.transport(server.port)
    assert transport.call(b"x" * 300_000, wire.allow()).status == 8
    transport.close()


def test_an_answer_before_the_request_was_sent_whole_counts_also_where_the_peer_then_resets_the_stream(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        while not peer.requests:
            peer.read(acknowledge=False)
        peer.h2.send_headers(1, (*OK_HEADERS, ("grpc-status", "8")), end_stream=True)
        peer.h2.reset_stream(1, ErrorCodes.NO_ERROR)
        peer.flush()
        while len(peer.requests) < 2:
            peer.read(acknowledge=False)
        peer.answer(3)
        peer.read_to_end()

    transport = wire.transport(wire.serve(script).port)
    assert transport.call(bytes(100_000), wire.allow()).status == 8
    assert transport.call(b"", wire.allow()).status == 0, "the connection is kept"


def test_a_body_beyond_the_bound_is_thrown_away_and_the_status_counts(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.h2.send_headers(stream_id, OK_HEADERS)
        left = 2 << 20
        while left:
            size = min(16384, peer.h2.local_flow_control_window(stream_id), left)
            if size == 0:
                peer.read()
                continue
            peer.h2.send_data(stream_id, b"\xff" * size)
            peer.flush()
            left -= size
        peer.h2.send_headers(stream_id, (("grpc-status", "0"),), end_stream=True)
        peer.flush()
        peer.read_to_end()

    transport = wire.transport(wire.serve(script).port)
    assert transport.call(b"", wire.allow()) == Answer(0)


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"\0\0\0\0\x02ok", b"identity", b"ok"),
        (b"\0\0\0\0\x02ok and more", b"identity", b"ok"),
        (b"\0\0\0\0\x03ok", b"identity", b""),
        (b"\0\0\0", b"identity", b""),
        (b"", b"identity", b""),
        (b"\x02\0\0\0\x02ok", b"identity", b""),
        (b"\x01\0\0\0\x02ok", b"snappy", b""),
        (b"\x01\0\0\0\x02ok", b"gzip", b""),
        (b"\x01\0\0\0\x16" + gzip.compress(b"ok"), b"gzip", b"ok"),
    ],
)
def test_the_message_is_taken_out_of_its_frame(body: bytes, encoding: bytes, message: bytes):
    assert unframed(body, encoding) == message


def test_a_gzip_bomb_goes_off_within_the_bound():
    packed = gzip.compress(bytes(50 << 20))
    assert len(unframed(b"\x01" + len(packed).to_bytes(4, "big") + packed, b"gzip")) <= BODY_BYTES_MAX


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"100%25 %zz %4 %", "100% %zz %4 %"),
        (b"%E2%82%AC%ff", "€\N{REPLACEMENT CHARACTER}"),
        (b"x" * 5000, "x" * MESSAGE_CHARACTERS_MAX),
    ],
)
def test_a_message_is_decoded_and_what_is_broken_in_it_stays(value: bytes, text: str):
    assert decoded_message(value) == text


@pytest.mark.parametrize(
    ("value", "details"),
    [(None, None), (b"", b""), (b"YWI", b"ab"), (b"YWI=", b"ab"), (b"YWI,YWM", b"ab"), (b"Y", None)],
)
def test_details_are_decoded_with_and_without_padding(value: bytes | None, details: bytes | None):
    assert decoded_details(value) == details
