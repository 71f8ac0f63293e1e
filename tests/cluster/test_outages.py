"""The Collector is killed, scaled away, unreachable: nothing that was read is lost, and nothing is restarted for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from harness.kubectl import Kubectl, KubectlError
from harness.observers.prometheus import Prometheus
from harness.rigs.deployment_pods import DeploymentPods
from harness.toxiproxy import Toxiproxy
from harness.waiting import wait_until
from tests.cluster.overlays import START_SECONDS, Overlay, last_write, scraped, value_of, write_of

INTERVAL_SECONDS = 1.0
"""Of the chaos overlay's bridge; its job writes every second one."""
BY_OTLP = '{__name__="ml_training_loss", way=""}'


def answer(kubectl: Kubectl, pod: str, path: str) -> str:
    """What the bridge says on its health port, asked from outside of the pod as the kubelet does."""
    url = f"/api/v1/namespaces/{kubectl.namespace}/pods/{pod}:13133/proxy{path}"
    try:
        return kubectl.run("get", "--raw", url)
    except KubectlError as problem:
        return str(problem)


def test_a_killed_collector_and_a_dead_network_cost_nothing_that_was_read(overlay: Callable[[str], Overlay]):
    chaos = overlay("chaos")
    chaos.until("rollout", "status", "deployment/prometheus")
    prometheus = Prometheus("127.0.0.1", chaos.way_to("service/prometheus", 9090))

    def written() -> list[int]:
        found = prometheus.query(f"{BY_OTLP}[10m]")
        return [write_of(value) for _, value in found[0].samples] if found else []

    wait_until(lambda: len(written()) > 5, within=START_SECONDS, what="points in Prometheus", every=0.5)
    pods = DeploymentPods(chaos.kubectl, "otel-collector")
    killed = pods.kill()
    before = written()[-1]
    wait_until(lambda: written()[-1] > before + 2, within=START_SECONDS, what="points by the new Collector", every=0.5)
    assert not pods.running() & killed
    toxiproxy = Toxiproxy("127.0.0.1", chaos.way_to("service/toxiproxy", 8474))
    toxiproxy.ask("post", "/proxies/otel-collector", {"enabled": False})
    (pod,) = chaos.pods("training")
    name = pod["metadata"]["name"]
    wait_until(
        lambda: "ServiceUnavailable" in answer(chaos.kubectl, name, "/ready"),
        within=30,
        what="a bridge that is not ready",
        every=0.5,
    )
    assert '"live": true' in answer(chaos.kubectl, name, "/live")
    before = written()[-1]
    toxiproxy.ask("post", "/proxies/otel-collector", {"enabled": True})
    wait_until(lambda: written()[-1] > before + 6, within=60, what="points after the outage", every=0.5)
    (series,) = prometheus.query(f"{BY_OTLP}[10m]")
    times = [t for t, _ in series.samples]
    gaps = [round(late - early, 2) for early, late in pairwise(times) if late - early > 1.5 * INTERVAL_SECONDS]
    assert gaps == []
    numbers = sorted(set(written()))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert chaos.unhealthy() == []


def test_at_64_mib_the_bridge_lives_through_fast_writes_an_outage_and_the_recovery(overlay: Callable[[str], Overlay]):
    small = overlay("low-memory")
    small.until("wait", "pod", "-l", "app.kubernetes.io/name=training", "--for=condition=Ready")
    pods = DeploymentPods(small.kubectl, "otel-collector")
    pods.scale(0)
    (pod,) = small.pods("training")
    name = pod["metadata"]["name"]
    peaks: list[int] = []

    def look() -> bool:
        peaks.append(peak_bytes(small.kubectl, name))
        return len(peaks) > 20

    wait_until(look, within=60, what="twenty looks at its memory in the outage", every=1.0)
    pods.scale(1)
    small.until_complete(within=180)
    (pod,) = small.pods("training")
    assert small.ends(pod) == {"bridge": (0, 0), "job": (0, 0)}
    last = last_write(small.job)
    assert value_of(scraped(small.way_to("service/otel-collector", 8889)), "ml_training_loss") == last.training_loss
    assert 16 * 2**20 < max(peaks) < 64 * 2**20


def peak_bytes(kubectl: Kubectl, pod: str) -> int:
    """The kernel's own mark of what the bridge's container was ever charged with; cgroup v2, else v1."""
    script = "cat /sys/fs/cgroup/memory.peak 2>/dev/null || cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    return int(kubectl.run("exec", pod, "-c", "bridge", "--", "sh", "-c", script))
