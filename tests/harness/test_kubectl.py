"""kubectl's room, and what a cluster lacks: told in one sentence each, with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.faults import FaultError
from harness.faults.collector_pods import CollectorPodKilled, CollectorScaledToZero
from harness.faults.contract import Ground
from harness.faults.file import NoParameters
from harness.kubectl import Kubectl, KubectlError
from harness.pod_watch import held_up, terminated
from harness.rigs import cluster, manifests
from harness.rigs.deployment_pods import DeploymentPods

Teach = Callable[[dict[str, Any]], None]
RIG = [
    {"kind": "Pod", "metadata": {"name": "recorder"}, "spec": {"containers": [{"name": "a", "image": "ours:dev"}]}},
    {"kind": "Namespace", "metadata": {"name": "x"}},
    {
        "kind": "Job",
        "metadata": {"name": "training"},
        "spec": {
            "template": {
                "spec": {
                    "initContainers": [
                        {
                            "name": "bridge",
                            "image": "bridge:dev",
                            "env": [{"name": "LOG_LEVEL", "value": "ERROR"}],
                            "resources": {"requests": {"memory": "40Mi"}, "limits": {"memory": "64Mi"}},
                        }
                    ],
                    "containers": [{"name": "job", "image": "registry.example/job:1"}],
                }
            }
        },
    },
]
VERSION = {"say": json.dumps({"serverVersion": {"major": "1", "minor": "34+", "gitVersion": "v1.34.2"}})}
NODES = {"say": json.dumps({"items": [{"status": {"images": [
    {"names": ["docker.io/library/ours:dev"]},
    {"names": None},  # an older build whose tag went to a newer one
    {"names": ["docker.io/library/bridge:dev", "docker.io/library/ml-metrics-bridge-train:dev"]},
]}}]})}  # fmt: skip
WHOLE = {
    "version": VERSION,
    "auth can-i create namespaces": {"say": "yes\n"},
    "get nodes": NODES,
    "kustomize": {"say": yaml.safe_dump_all(RIG)},
}


def told(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "told.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_command_is_told_its_namespace_and_what_it_printed_comes_back(teach: Teach, tmp_path: Path):
    teach({"get pods": {"say": '{"items": []}'}})
    assert Kubectl("here").get("get", "pods") == {"items": []}
    assert told(tmp_path) == [["--namespace=here", "get", "pods", "-o", "json"]]


def test_a_refusal_says_the_command_and_what_kubectl_said(teach: Teach):
    teach({"apply": {"err": "error: no such thing\n", "code": 1}})
    with pytest.raises(KubectlError, match=r"`kubectl apply -f -` ended with code 1: error: no such thing"):
        Kubectl().apply([{"kind": "Pod"}])


def test_a_command_that_does_not_end_is_given_up(teach: Teach):
    teach({"get": {"seconds": 60}})
    with pytest.raises(KubectlError, match=r"did not end within 0\.3 s"):
        Kubectl().run("get", "pods", within=0.3)


def test_an_answer_that_is_no_json_is_an_error(teach: Teach):
    teach({"get": {"say": "hello"}})
    with pytest.raises(KubectlError, match="answered no JSON"):
        Kubectl().get("get", "pods")


def test_without_kubectl_there_is_one_sentence_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (missing,) = cluster.lacking()
    assert missing.startswith("there is no kubectl on PATH: get it from https://kubernetes.io")


def test_a_cluster_that_has_all_lacks_nothing(teach: Teach):
    teach(WHOLE)
    assert cluster.lacking() == ()


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"version": {"code": 1, "err": "connection refused\n"}}, "without any, --rig local runs the same scenarios"),
        ({"version": {"say": json.dumps({"serverVersion": {"major": "1", "minor": "28", "gitVersion": "v1.28.1"}})}},
         "Kubernetes 1.29 or later: this is v1.28.1"),
        ({"auth can-i create namespaces": {"say": "no\n"}}, "leave to create namespaces"),
        ({"get nodes": {"say": '{"items": []}'}},
         "the images bridge:dev, ml-metrics-bridge-train:dev, ours:dev on a node of the cluster: build them"),
    ],
)  # fmt: skip
def test_what_a_cluster_lacks_is_said_with_what_to_do(teach: Teach, instead: dict[str, Any], said: str):
    teach({**WHOLE, **instead})
    (missing,) = cluster.lacking()
    assert said in missing


def test_the_namespace_comes_first_and_everything_moves_into_it(teach: Teach):
    teach(WHOLE)
    found = manifests.rendered(Path("anywhere"))
    moved = manifests.in_namespace(found.around, "mine")
    assert [(one["kind"], one["metadata"]) for one in moved] == [
        ("Namespace", {"name": "mine"}),
        ("Pod", {"name": "recorder", "namespace": "mine"}),
    ]


def test_the_bridge_under_test_and_its_limit_are_put_into_the_job(teach: Teach):
    teach(WHOLE)
    job = manifests.rendered(Path("anywhere")).job
    bridge = job["spec"]["template"]["spec"]["initContainers"][0]
    bridge["livenessProbe"] = {"httpGet": {"path": "/live", "port": "health"}}
    manifests.replace_bridge(job, bridge["image"], None, ())
    assert "livenessProbe" in bridge
    manifests.replace_bridge(job, "other:1", ("run", "it"), ())
    manifests.limit_memory(job, 40 * 2**20)
    assert (bridge["image"], bridge["command"]) == ("other:1", ["run", "it"])
    assert "livenessProbe" not in bridge, "the kubelet would kill a bridge that has no such endpoint"
    assert manifests.memory_limits_bytes(job) == {"bridge": 40 * 2**20}


@pytest.mark.parametrize(("text", "amount"), [("64Mi", 2**26), ("1000", 1000), ("2G", 2 * 10**9), ("1Ki", 1024)])
def test_a_quantity_of_memory_is_read_as_kubernetes_means_it(text: str, amount: int):
    assert manifests.bytes_of(text) == amount
    with pytest.raises(ValueError, match="no quantity"):
        manifests.bytes_of(f"{text}x")


@pytest.mark.parametrize("kind", ["initContainerStatuses", "containerStatuses"])
@pytest.mark.parametrize("key", ["state", "lastState"])
def test_how_a_container_ended_is_found_wherever_the_kubelet_says_it(kind: str, key: str):
    status = {kind: [{"name": "bridge", key: {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}
    assert terminated(status, "bridge") == [{"exitCode": 137, "reason": "OOMKilled"}]
    assert terminated(status, "job") == []


def pod(name: str, *, going: bool = False, running: bool = True) -> dict[str, Any]:
    metadata = {"name": name, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if going else {})}
    state = {"running": {}} if running else {"waiting": {}}
    return {"metadata": metadata, "status": {"containerStatuses": [{"state": state}]}}


def pods(*items: dict[str, Any]) -> dict[str, Any]:
    return {"get pods": {"say": json.dumps({"items": list(items)})}, "delete pod": {}}


def test_a_pod_that_is_about_to_end_or_does_not_run_yet_does_not_count(teach: Teach):
    teach(pods(pod("a"), pod("b", going=True), pod("c", running=False)))
    assert DeploymentPods(Kubectl("x"), "otel-collector").running() == {"a"}


def ground_of(found: DeploymentPods) -> Ground:
    return Ground(Path("x"), None, None, None, collector_pods=found)  # type: ignore[arg-type]


def test_a_killed_pod_that_still_runs_is_no_killed_pod(teach: Teach):
    teach(pods(pod("a")))
    fault = CollectorPodKilled(ground_of(DeploymentPods(Kubectl("x"), "otel-collector")), NoParameters())
    assert not fault.verify().ok
    fault.inject()
    assert not fault.verify().ok
    teach(pods(pod("b")))
    assert fault.verify().ok
    assert fault.heal() == "in their place: b"


def test_where_no_pod_runs_none_is_killed(teach: Teach):
    teach(pods())
    fault = CollectorPodKilled(ground_of(DeploymentPods(Kubectl("x"), "otel-collector")), NoParameters())
    with pytest.raises(FaultError, match="no pod of otel-collector runs"):
        fault.inject()
    assert not fault.verify().ok


def test_a_collector_that_was_scaled_away_and_runs_is_not_away(teach: Teach):
    teach({**pods(), "scale": {}, "rollout status": {}})
    fault = CollectorScaledToZero(ground_of(DeploymentPods(Kubectl("x"), "otel-collector")), NoParameters())
    fault.inject()
    assert fault.verify().ok
    teach({**pods(pod("a")), "scale": {}, "rollout status": {}})
    assert not fault.verify().ok
    assert fault.heal() == "the collector is back: a"


def test_a_pod_whose_image_cannot_be_had_says_which_and_why():
    status = {
        "initContainerStatuses": [
            {"name": "bridge", "image": "no-such:1", "state": {"waiting": {"reason": "ErrImagePull"}}},
            {"name": "hand", "image": "sink:dev", "state": {"waiting": {"reason": "PodInitializing"}}},
            {"name": "done", "image": "sink:dev", "state": {"terminated": {"exitCode": 0}}},
        ],
        "containerStatuses": [{"name": "job", "image": "job:dev", "state": {"running": {}}}],
    }
    assert held_up(status) == "its container bridge (no-such:1) waits: ErrImagePull"
    assert held_up({}) == ""
