"""Fills the memory of the real Collector: large requests that it holds because their exporter never gets an answer."""

from __future__ import annotations

import time

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from harness.faults import FaultError
from harness.observers.sink import EXPORT_METHOD
from harness.ports import HOST

_PIECE_BYTES = 16 * 2**20
_PIECES_MAX = 16
_TAKEN_SECONDS = 0.5
"""A request that is not refused in this time was taken: it is held, and no answer comes."""
_EMPTY_SECONDS = 10.0
_STEADY_SECONDS = 2.5
"""The Collector collects its garbage once a second while it refuses."""
_HELD = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
"""The deadline passed here, or there."""
_CALM_SECONDS = 0.3
"""The Collector looks at its memory every 0.1 s; in between it takes whatever comes."""


class Ballast:
    """See `harness.faults.contract.CollectorMemory`.

    Args:
        port: of the Collector's receiver for ballast.
        host: where that listens.
    """

    def __init__(self, port: int, host: str = HOST) -> None:
        self._target = f"{host}:{port}"
        self._channel: grpc.Channel | None = None
        self._held: list[grpc.Future[bytes]] = []
        """A call that nobody holds is cancelled."""

    def fill(self) -> None:
        """Send one piece after the other until the Collector refuses data."""
        piece = _request("x" * _PIECE_BYTES)
        self._channel = grpc.insecure_channel(self._target)
        call = _export_on(self._channel)
        for _ in range(_PIECES_MAX):
            self._held.append(call.future(piece))
            if self._refuses_steadily():
                return
        raise FaultError(f"the Collector takes more than {_PIECES_MAX * _PIECE_BYTES // 2**20} MiB without refusing")

    def refuses(self) -> str | None:
        """Send one point that would go where the ballast goes."""
        with grpc.insecure_channel(self._target) as channel:
            try:
                _export_on(channel)(_request("probe"), timeout=_TAKEN_SECONDS)
            except grpc.RpcError as error:
                if error.code() in _HELD:
                    return None
                if "memory" in (error.details() or ""):
                    return f"{error.code().name}: {error.details()}"
                raise FaultError(f"the Collector answered {error.code().name}: {error.details()}") from error
        raise FaultError("the Collector passed on what it should hold")

    def _refuses_steadily(self) -> bool:
        """What it needed only to take a piece in is given back within a second or two, and there is room again."""
        end = time.monotonic() + _STEADY_SECONDS
        while time.monotonic() < end:
            if self.refuses() is None:
                return False
            time.sleep(_CALM_SECONDS)
        return True

    def empty(self) -> None:
        """Give up every piece, and wait until data are taken again."""
        self.close()
        deadline = time.monotonic() + _EMPTY_SECONDS
        while (reason := self.refuses()) is not None:
            if time.monotonic() >= deadline:
                raise FaultError(f"the Collector still refuses {_EMPTY_SECONDS:g} s after it was emptied: {reason}")
            time.sleep(_CALM_SECONDS)

    def close(self) -> None:
        """Give up every piece."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            self._held.clear()


def _export_on(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary(EXPORT_METHOD, None, None)  # no (de)serializers: bytes in, bytes out


def _request(text: str) -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="ballast", description=text)
    metric.gauge.data_points.add(as_double=0.0)
    return bytes(request.SerializeToString())
