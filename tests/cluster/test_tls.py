"""k8s/overlays/tls: bridge and Collector show each other certificates."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.faults.http2_probe import PLAIN
from tests.cluster.overlays import Overlay, last_write, scraped, value_of


@pytest.fixture(scope="module")
def tls(overlay: Callable[[str], Overlay]) -> Overlay:
    return overlay("tls")


def test_the_job_completes_over_mutual_tls_and_its_last_write_is_at_the_collector(tls: Overlay):
    tls.until_complete(within=240)
    (pod,) = tls.pods("training")
    assert tls.ends(pod) == {"bridge": (0, 0), "job": (0, 0)}
    found = scraped(tls.way_to("service/otel-collector", 8889))
    assert value_of(found, "ml_training_loss") == last_write(tls.job).training_loss


def test_a_client_without_a_certificate_is_turned_away(tls: Overlay, tmp_path: Path):
    tls.until("rollout", "status", "deployment/otel-collector")
    data = tls.kubectl.get("get", "secret", "bridge-tls")["data"]
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).write_bytes(base64.b64decode(data[name]))
    port = tls.way_to("service/otel-collector", 4317)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    context.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        greeted(context, port)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert greeted(context, port)


def greeted(context: ssl.SSLContext, port: int) -> bytes:
    """What the Collector answers to an HTTP/2 greeting."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="otel-collector") as channel,
    ):
        channel.sendall(PLAIN.data)
        return channel.recv(100)
