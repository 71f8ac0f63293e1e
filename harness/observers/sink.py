"""The recording sink: an OTLP/gRPC collector in a process of its own that writes down every Export call.

``python -m harness.observers.sink --out exports.jsonl [--host HOST] [--port N] [--control-fd N]``

One line of `harness.record.Export` for each call, written when the call was answered. Over the control channel:
``decide`` (see `decisions.py`) and ``state``. It ends on SIGTERM, or when the control channel closes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import grpc

from harness import control
from harness.observers import decisions, otlp_points
from harness.ports import HOST

EXPORT_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
PROBE = "harness-probe"
"""Metadata of a call that is the harness's own look at how the sink answers: it is answered and not written down."""
CANARY = "harness.canary"
"""The only metric of a call by which the harness proves the bridge's way; it may come through a collector, which passes
no metadata on. It is answered and not written down."""
_CALLS_MAX = 64
"""Calls under way at once; a hung call holds one place until its caller gives up."""


class Sink:
    """Answers calls by the decision of the moment and writes them down.

    Args:
        out: a text file; one JSON line for each call.
        clock: CLOCK_MONOTONIC in seconds.
    """

    def __init__(self, out: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._lock = threading.Lock()
        self._decision: decisions.Decision = decisions.Ok()
        self._decided: dict[str, Any] = {"decision": "ok", "parameters": {}}
        self._calls = 0
        self._delivered = 0
        self._points = 0
        self._first_point: float | None = None
        self._last_point: float | None = None

    def export(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer one Export call. Its time is when the whole request was here."""
        t = self._clock()
        of_the_harness = PROBE in {key for key, _ in context.invocation_metadata()} or _is_canary(request)
        ended = threading.Event()
        # False: the call was over before; nobody waits for an answer.
        if not context.add_callback(ended.set):
            ended.set()
        with self._lock:
            self._calls += not of_the_harness
            decide = self._decision.decide
        answer = decide(request, ended)
        resource: otlp_points.Attributes = {}
        points: list[dict[str, Any]] = []
        if answer.code == "OK":
            try:
                resource, points = otlp_points.points_of(request)
            except otlp_points.NotARequestError as problem:  # as the Collector does
                answer = decisions.Answer(code="INTERNAL", message=str(problem))
        line = {
            "t": t,
            "answered": answer.code,
            "request_bytes": len(request),
            "resource": resource,
            "points": [point for point in points if point["metric"] not in answer.left_out],
        }
        if answer.retry_after_seconds is not None:
            line["retry_after_seconds"] = answer.retry_after_seconds
        if not of_the_harness:
            self._write_down(line)
        ended.wait(answer.late_seconds)
        context.set_trailing_metadata(answer.trailers)
        if answer.code == decisions.NO_ANSWER:
            context.abort(grpc.StatusCode.CANCELLED, "never answered")
        if answer.code != "OK":
            context.abort(grpc.StatusCode[answer.code], answer.message)
        return answer.body

    def handle(self, do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a command of the control channel; gives the state after it.

        Raises:
            ValueError: no such command, or wrong parameters.
        """
        if do == "decide":
            chosen = decisions.decision(arguments["decision"], arguments.get("parameters", {}))
            with self._lock:
                self._decision = chosen
                self._decided = {
                    "decision": arguments["decision"],
                    "parameters": dict(arguments.get("parameters", {})),
                }
        elif do != "state":
            raise ValueError(f"no command {do!r}; there are: decide, state")
        with self._lock:
            return {
                **self._decided,
                "calls": self._calls,
                "delivered": self._delivered,
                "points": self._points,
                "first_point_t": self._first_point,
                "last_point_t": self._last_point,
            }

    def _write_down(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":"))
        with self._lock:
            if line["answered"] == "OK":
                self._delivered += 1
            if line["points"]:
                self._points += len(line["points"])
                self._first_point = line["t"] if self._first_point is None else self._first_point
                self._last_point = line["t"]
            try:
                self._out.write(text + "\n")
                self._out.flush()
            except OSError as problem:
                # To answer with an error would look like a refusal, and break the bridge's promise instead of ours.
                print(f"cannot write {self._out.name}: {problem}; make room there", flush=True)  # noqa: T201 - its log
                os._exit(1)


def _is_canary(request: bytes) -> bool:
    if CANARY.encode() not in request:
        return False
    with contextlib.suppress(otlp_points.NotARequestError):
        _, points = otlp_points.points_of(request)
        return {point["metric"] for point in points} == {CANARY}
    return False


def serve(sink: Sink, port: int, host: str = HOST) -> tuple[grpc.Server, int]:
    """Start a gRPC server for the sink, on loopback by default; gives it and its port.

    Raises:
        RuntimeError: the port is taken.
    """
    handler = grpc.unary_unary_rpc_method_handler(sink.export)  # without (de)serializers: bytes in, bytes out
    service, _, method = EXPORT_METHOD[1:].rpartition("/")
    server = grpc.server(
        ThreadPoolExecutor(_CALLS_MAX, thread_name_prefix="export"),
        handlers=[grpc.method_handlers_generic_handler(service, {method: handler})],
        # Without it a second sink on the same port would silently share its calls.
        options=[("grpc.so_reuseport", 0)],
    )
    bound = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server, bound


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or until the control channel closes."""
    parser = argparse.ArgumentParser(prog="python -m harness.observers.sink")
    parser.add_argument("--out", type=Path, required=True, help="the file for the lines, appended to")
    parser.add_argument("--port", type=int, default=0, help="0: the system chooses (default)")
    parser.add_argument("--host", default=HOST, help="an address of this machine to listen on; by default loopback")
    parser.add_argument("--control-fd", type=int, help="an inherited, connected stream socket")
    chosen = parser.parse_args(arguments)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    forget_torn_line(chosen.out)
    with chosen.out.open("a", encoding="utf-8") as out:
        sink = Sink(out)
        server, port = serve(sink, chosen.port, chosen.host)
        print(f"sink on {chosen.host}:{port}", flush=True)  # noqa: T201 - its output is its log file
        if chosen.control_fd is not None:
            channel = socket.socket(fileno=chosen.control_fd)
            control.announce(channel, port=port)
            threading.Thread(target=_obey, args=(channel, sink, over), name="control", daemon=True).start()
        over.wait()
        server.stop(grace=None).wait(2.0)
    return 0


def forget_torn_line(path: Path) -> None:
    """Take away what a killed sink had begun to write: its next life would write on in the same line.

    The call was never answered, so the bridge sends it again.
    """
    if path.exists():
        whole = path.read_bytes()
        os.truncate(path, whole.rfind(b"\n") + 1)


def _obey(channel: socket.socket, sink: Sink, over: threading.Event) -> None:
    with contextlib.suppress(OSError), channel.makefile("rb") as lines:
        for line in lines:
            channel.sendall(control.answer(line, sink.handle))
    over.set()


if __name__ == "__main__":
    sys.exit(main())
