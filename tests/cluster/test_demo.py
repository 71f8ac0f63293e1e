"""k8s/overlays/demo: what a stranger sees first."""

from __future__ import annotations

from statistics import mean

from harness.observers.prometheus import Prometheus
from harness.waiting import wait_until
from tests.cluster.overlays import Overlay, last_write, scraped, value_of, write_of


def test_the_job_completes_although_its_bridge_runs_on_and_its_last_write_is_at_the_collector(demo: Overlay):
    demo.until_complete(within=300)
    (pod,) = demo.pods("training")
    assert demo.ends(pod) == {"bridge": (0, 0), "job": (0, 0)}
    assert demo.unhealthy() == []
    last = last_write(demo.job)
    found = scraped(demo.way_to("service/otel-collector", 8889))
    assert value_of(found, "ml_training_loss") == last.training_loss
    assert value_of(found, "ml_training_epoch_total") == last.epoch
    assert value_of(found, "ml_training_accuracy") == last.accuracy


def test_prometheus_shows_the_loss_falling_to_the_last_write_and_whose_it_is(demo: Overlay):
    demo.until_complete(within=300)
    (pod,) = demo.pods("training")
    name = pod["metadata"]["name"]
    prometheus = Prometheus("127.0.0.1", demo.way_to("service/prometheus", 9090))
    last = last_write(demo.job)

    def newest() -> float | None:
        series = prometheus.query("ml_training_loss")
        return series[0].samples[0][1] if series else None

    wait_until(lambda: newest() == last.training_loss, within=30, what="a scrape of the last write", every=0.5)
    (series,) = prometheus.query("ml_training_loss[10m]")
    assert series.labels["instance"] == name
    losses = [value for _, value in series.samples]
    half = len(losses) // 2
    assert half > 5
    assert mean(losses[:half]) > mean(losses[half:])
    numbers = [write_of(loss) for loss in losses]
    assert numbers == sorted(numbers)
    (info,) = prometheus.query("target_info")
    assert info.labels["k8s_pod_name"] == name
    assert info.labels["k8s_job_name"] == "training"
    assert info.labels["k8s_namespace_name"] == demo.namespace
