"""k8s/overlays/legacy: an ordinary container that ends by a rule of its own."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.overlays import Overlay, last_write, scraped, value_of


def test_the_job_completes_with_the_bridge_as_an_ordinary_container_and_its_last_write_is_at_the_collector(
    overlay: Callable[[str], Overlay],
):
    legacy = overlay("legacy")
    assert "initContainers" not in legacy.job["spec"]["template"]["spec"]
    legacy.until_complete(within=240)
    (pod,) = legacy.pods("training")
    assert legacy.ends(pod) == {"job": (0, 0), "bridge": (0, 0)}
    found = scraped(legacy.way_to("service/otel-collector", 8889))
    assert value_of(found, "ml_training_loss") == last_write(legacy.job).training_loss
