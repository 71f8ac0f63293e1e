"""An OTLP/gRPC endpoint that takes everything and keeps nothing: where a hundred thousand calls are to cost the least.

``python -m benchmarks.void`` prints its port, and answers until it is ended. It counts calls, and nothing else.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class Void(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio ships no types
    """Answers each Export call with an empty response, which is OTLP's success."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers; nothing for any other call."""
        if handler_call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")


def main() -> None:
    """Serve until the process is ended."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2), handlers=[Void()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
