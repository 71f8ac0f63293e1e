from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from bridge import otlp
from bridge.errors import TransportError
from bridge.otlp import Busy, Delivered, Refused, Unreachable
from bridge.transports import Answer

RETRYABLE_CODES = {1, 4, 10, 11, 14, 15}


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field, written by hand so that reading it is checked against another hand."""

    def varint(number: int) -> bytes:
        number &= (1 << 64) - 1
        out = bytearray()
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes((*out, number))

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def retry_info(
    seconds: int = 0, nanos: int = 0, type_url: bytes = b"type.googleapis.com/google.rpc.RetryInfo"
) -> bytes:
    """A serialized google.rpc.Status with a RetryInfo after another detail."""
    delay = field(1, seconds) + field(2, nanos)
    other = field(1, b"type.googleapis.com/google.rpc.DebugInfo") + field(2, b"\x12\x03abc")
    packed = field(1, type_url) + field(2, field(1, delay))
    return field(1, 8) + field(2, b"calm down") + field(3, other) + field(3, packed)


@pytest.mark.parametrize("code", range(1, 17))
def test_only_otlps_retryable_codes_ask_for_patience(code: int):
    outcome = otlp.outcome_of(Answer(code, "because"))
    assert isinstance(outcome, Busy if code in RETRYABLE_CODES else Refused)
    assert outcome.status == otlp.STATUS_NAMES[code]
    assert outcome.reason == f"{otlp.STATUS_NAMES[code]}: because"


@pytest.mark.parametrize("code", [-1, 17, 1000])
def test_a_code_that_grpc_does_not_know_is_a_refusal(code: int):
    assert otlp.outcome_of(Answer(code)) == Refused("UNKNOWN", "UNKNOWN")


def test_resource_exhausted_is_retryable_only_with_retry_info():
    assert otlp.outcome_of(Answer(8)) == Refused("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    busy = otlp.outcome_of(Answer(8, details=retry_info(3, 500_000_000)))
    assert busy == Busy("RESOURCE_EXHAUSTED", 3.5, "RESOURCE_EXHAUSTED")


def test_retry_info_comes_along_with_the_other_retryable_codes_and_changes_no_other():
    assert otlp.outcome_of(Answer(14, details=retry_info(2))) == Busy("UNAVAILABLE", 2.0, "UNAVAILABLE")
    assert otlp.outcome_of(Answer(3, details=retry_info(2))) == Refused("INVALID_ARGUMENT", "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        (None, None),
        (b"", None),
        (retry_info(0, 0), 0.0),
        (retry_info(0, 250_000_000), 0.25),
        (retry_info(-5, 0), 0.0),
        (retry_info(10**12), otlp.RETRY_AFTER_SECONDS_MAX),
        (retry_info(4, type_url=b"google.rpc.RetryInfo"), 4.0),
        (retry_info(4, type_url=b"example.com/some.other.Thing"), None),
        (retry_info(4)[:-1], None),
        (b"\xff" * 40, None),
        (field(3, 7), None),
    ],
)
def test_the_retry_delay_is_read_from_the_status_details(details: bytes | None, seconds: float | None):
    assert otlp.retry_after_seconds(details) == seconds


@given(st.binary(max_size=200))
def test_no_details_make_reading_them_raise(details: bytes):
    seconds = otlp.retry_after_seconds(details)
    assert seconds is None or 0 <= seconds <= otlp.RETRY_AFTER_SECONDS_MAX


def test_an_empty_response_is_a_full_success():
    assert otlp.outcome_of(Answer(0)) == Delivered()


def test_a_partial_success_says_how_many_points_were_rejected_and_why():
    partial = ExportMetricsPartialSuccess(rejected_data_points=2, error_message="too old")
    body = ExportMetricsServiceResponse(partial_success=partial).SerializeToString()
    assert otlp.outcome_of(Answer(0, body=body)) == Delivered(2, "too old")


@given(st.binary(max_size=100))
def test_an_unreadable_response_takes_no_delivery_back(body: bytes):
    outcome = otlp.outcome_of(Answer(0, body=body))
    assert isinstance(outcome, Delivered)
    assert outcome.rejected_points >= 0


class Recorded:
    """A transport that answers what it is told."""

    def __init__(self, result: Answer | TransportError) -> None:
        self.result = result
        self.messages: list[bytes] = []

    def call(self, message: bytes, _patience: object) -> Answer:
        self.messages.append(message)
        if isinstance(self.result, TransportError):
            raise self.result
        return self.result


def test_several_requests_leave_as_one():
    transport = Recorded(Answer(0))
    assert otlp.export(transport, [b"one", b"two"], None) == Delivered()
    assert transport.messages == [b"onetwo"]


@pytest.mark.parametrize("may_have_arrived", [True, False])
def test_a_call_without_an_answer_is_unreachable(may_have_arrived: bool):
    transport = Recorded(TransportError("no route", may_have_arrived=may_have_arrived))
    assert otlp.export(transport, [b""], None) == Unreachable("no route", may_have_arrived)
