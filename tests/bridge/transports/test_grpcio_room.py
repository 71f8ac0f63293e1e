"""grpcio in an address space that cannot grow: a call ends with an error, and goes well when there is room again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bridge.transports.test_http2_grpcio import Server

ROOT = Path(__file__).parents[3]

PROGRAM = """
import resource, sys, time
from pathlib import Path
from bridge.endpoint import parse
from bridge.errors import TransportError
from bridge.transports.grpcio import GrpcioTransport

class Patience:
    def __init__(self): self.ends = time.monotonic() + 10
    def deadline(self): return self.ends
    def fileno(self): return -1

transport = GrpcioTransport(parse(sys.argv[1]), "test")
print(transport.call(b"1", Patience()).status)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (9 << 20), resource.RLIM_INFINITY))
try:
    transport.call(b"2", Patience())
except TransportError as error:
    print(error, error.may_have_arrived)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(transport.call(b"3", Patience()).status)
"""


def test_without_room_for_a_thread_a_call_ends_with_an_error_and_with_room_again_it_goes_well():
    server = Server()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{server.port}"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        server.stop()
    first, refused, last = ended.stdout.splitlines()
    assert (first, last) == ("0", "0")
    assert refused == ("grpcio would need a thread, and there is no room for one: Cannot allocate memory False")
    assert server.messages == [b"1", b"3"]
