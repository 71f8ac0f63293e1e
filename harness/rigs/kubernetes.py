"""The kubernetes rig: a namespace for each run, with a real Job whose bridge is a native sidecar.

Bridge -> Toxiproxy -> relay -> OpenTelemetry Collector -> recording sink, each in a pod (`k8s/rig`). The harness has a
hand in the job's pod and one beside the recorder (`harness/hand.py`): files are touched, greetings made and processes
seen from there, on the clocks of those machines, which are measured against ours. The bridge is told to end as in any
cluster: by the kubelet when the job has ended, and by the pod's deletion.
"""

from __future__ import annotations

import contextlib
import copy
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from harness.clocks import Clock, on_our_clock
from harness.control import ControlError
from harness.faults import Ground
from harness.hand import LET_GO
from harness.hands import Hand, ObserverInPod, PodFile
from harness.jobs import Jobs
from harness.kubectl import KubectlError
from harness.port_forward import PortForward
from harness.processes import ProcessError, new_mark
from harness.recorder import Recorder
from harness.rigs import cluster, manifests
from harness.rigs.bridge_image import IMAGE, parse
from harness.rigs.contract import Deliveries, RigError, Setting
from harness.rigs.deployment_pods import DeploymentPods
from harness.rigs.door_in_cluster import DoorInCluster
from harness.rigs.namespace import Namespace
from harness.scenario import Need, RigName
from harness.started import Started
from harness.toxiproxy import CALL_SECONDS, Toxiproxy, ToxiproxyError
from harness.training_pod import HAND, PodProcess, TrainingPod
from harness.waiting import WaitedTooLongError

METRICS_FILE = "/shared/metrics/current.json"
RUN_FOLDER = "/run/harness"
_SINK_PORT = 4318
_OTLP_PORT = 4317
_TOXIPROXY_PORT = 8474


class KubernetesStanding:
    """The kubernetes rig of one run, up.

    Args:
        setting: what it was put up for.
    """

    def __init__(self, setting: Setting) -> None:
        if setting.recorder is None or not setting.bridge_command:
            raise RigError("the kubernetes rig needs the run's recorder and the bridge under test")
        self._setting = setting
        self._recorder: Recorder = setting.recorder
        self._pod: TrainingPod | None = None
        self._bridge: PodProcess | None = None
        self._pod_is_over = False
        self._recording: Hand | None = None
        self._way_to_toxiproxy: PortForward | None = None
        self._clocks: dict[str, Clock] = {}
        self._namespace = Namespace(setting.processes.after_death, setting.patience)
        self._kubectl = self._namespace.kubectl
        try:
            self._manifests = manifests.rendered()
            self._put_up()
        except (KubectlError, ControlError, ToxiproxyError, WaitedTooLongError) as problem:
            self.down()
            raise RigError(f"{problem}; see the logs beside the record") from problem
        except BaseException:
            self.down()
            raise

    def _put_up(self) -> None:
        self._namespace.apply(self._manifests.around)
        self._namespace.until_there("wait", "pod/recorder", "--for=condition=Ready")
        self._recording = Hand(self._kubectl, "recorder", HAND, self._setting.run_dir / "recorder.log")
        self._measure("recorder", self._recording)
        everywhere = ("--host", "0.0.0.0")  # noqa: S104 - of its pod, which has no other address that is reached
        out = f"{RUN_FOLDER}/exports.jsonl"
        self._sink = ObserverInPod(self._recording, "sink", *everywhere, "--port", str(_SINK_PORT), "--out", out)
        upstream = f"otel-collector:{_OTLP_PORT}"
        out = f"{RUN_FOLDER}/wire.jsonl"
        self._relay = ObserverInPod(self._recording, "relay", *everywhere, "--upstream", upstream, "--out", out)
        for name in ("otel-collector", "toxiproxy"):
            self._namespace.until_there("rollout", "status", f"deployment/{name}")
        scenario, run_folder = self._setting.scenario, PodFile(self._hand, RUN_FOLDER)
        job = Jobs(
            self._launch_job,
            self._setting.processes,
            run_folder,
            job_id=f"{scenario.name.replace('/', '-')}-{self._setting.seed}",
            period_seconds=scenario.job.write_period,
        )
        door = self._door(int(self._relay.ready["port"]))
        self.ground = Ground(
            PodFile(self._hand, METRICS_FILE),
            job,
            door,
            self._setting.patience,
            network=door,
            collector_pods=DeploymentPods(self._kubectl, "otel-collector"),
        )

    def _door(self, relay_port: int) -> DoorInCluster:
        log = self._setting.run_dir / "port-forward.log"
        way = PortForward(self._kubectl, "service/toxiproxy", _TOXIPROXY_PORT, log, self._setting.patience)
        self._way_to_toxiproxy = way
        # All addresses of its pod, as Toxiproxy itself writes them.
        proxy = Toxiproxy("127.0.0.1", way.port, call_seconds=CALL_SECONDS).create(
            "otel-collector", listen=f"[::]:{_OTLP_PORT}", upstream=f"recorder:{relay_port}"
        )
        door = DoorInCluster(proxy, _OTLP_PORT, lambda: self._relay.ask("cut"), "toxiproxy")
        door.hand = self._nearest_hand
        return door

    def start_job(self) -> Started:
        """Apply the Job, bridge and all, and wait until both processes are seen."""
        return self.ground.job.start()

    def _launch_job(self, _role: str, variables: Mapping[str, str]) -> Started:
        if self._pod is not None:
            raise ProcessError("in a cluster the job runs once in a run")
        setting, marks = self._setting, {"job": new_mark(), "bridge": new_mark()}
        job = copy.deepcopy(self._manifests.job)
        manifests.job_for(job, setting.scenario, marks=marks, variables=variables)
        if (limit_bytes := setting.scenario.bridge.memory_limit) is not None:
            manifests.limit_memory(job, limit_bytes)
        under_test = parse(setting.bridge_command)
        manifests.replace_bridge(job, under_test.image, under_test.entrypoint, under_test.arguments)
        try:
            self._namespace.apply([job])
            name = self._namespace.until_begun(job["metadata"]["name"])
            hand = Hand(self._kubectl, name, HAND, setting.run_dir / "hand.log")
            clock = self._measure("job", hand)
            pod = self._pod = TrainingPod(
                self._kubectl,
                name,
                marks=marks,
                clock=clock,
                hand=hand,
                recorder=self._recorder,
                run_dir=setting.run_dir,
                memory_limits_bytes=manifests.memory_limits_bytes(job),
            )
        except (KubectlError, ControlError, WaitedTooLongError) as problem:
            raise ProcessError(str(problem)) from problem
        process, bridge = (pod.first(role, setting.patience) for role in ("job", "bridge"))
        self._bridge = bridge
        # The kubelet tells a native sidecar to end when the last of the pod's own containers has.
        pod.on_end("job", process.pid, lambda t: setting.processes.told(bridge, signal.SIGTERM, t))
        pod.on_end("job", process.pid, lambda _: pod.on_end("bridge", bridge.pid, self._pod_ends))
        setting.processes.adopt(process, process.began, elsewhere=True)
        return process

    def start_bridge(self, command: Sequence[str]) -> Started:
        """It was started with the job."""
        del command
        if self._bridge is None:
            raise ProcessError("in a cluster the bridge starts with the job")
        self._setting.processes.adopt(self._bridge, self._bridge.began, elsewhere=True)
        return self._bridge

    def deliveries(self) -> Deliveries:
        """Ask the sink."""
        try:
            state = self._sink.ask("state")
        except ControlError as problem:
            raise RigError(f"{problem}; see recorder.log") from problem
        first = state["first_point_t"]
        return Deliveries(
            state["calls"], state["points"], None if first is None else self._clocks["recorder"].here(first)
        )

    def check(self) -> None:
        """See that nothing by which the run is seen has ended, and that the job did not break."""
        if broken := self.ground.job.broken():
            raise RigError(f"{broken}; run again, and see its log")
        if self._pod is not None and self._pod.problem:
            raise RigError(self._pod.problem)
        ends = {
            "hand in the job's pod": self._pod is None or self._pod_is_over or self._pod.is_seen,
            "hand beside the recorder": self._recording is None or self._recording.alive,
            "way to Toxiproxy": self._way_to_toxiproxy is None or self._way_to_toxiproxy.alive,
        }
        for what, is_there in ends.items():
            if not is_there:
                raise RigError(
                    f"the {what} ended in the middle of the run: see hand.log, recorder.log, port-forward.log"
                )

    def _pod_ends(self, _: float) -> None:
        """Job and bridge have ended: bring what stands in their pod into the record, and let it end."""
        threading.Thread(target=self._fetch_from_pod, name="fetch", daemon=True).start()

    def _fetch_from_pod(self) -> None:
        assert self._pod is not None  # noqa: S101 - it is that which ends; for the type checker
        try:
            self._measure("job", self._pod.hand)
            self._fetch(self._hand, "job", "ledger.jsonl")
        except (ControlError, OSError) as problem:
            self._pod.problem = f"what stands in the job's pod could not be fetched: {problem}"
        finally:
            self._pod_is_over = True
            _let_go(self._pod.hand)

    def _fetch(self, hand: Callable[[], Hand], of: str, name: str) -> None:
        data = PodFile(hand, f"{RUN_FOLDER}/{name}").read_bytes()
        (self._setting.run_dir / name).write_bytes(on_our_clock(data, self._clocks[of]))

    def ask_back_end(self) -> None:
        """Bring what sink and relay wrote into the record, its times on our clock; measure that clock again."""
        if self._pod is None or self._recording is None:
            return
        if self._pod.problem:
            raise RigError(self._pod.problem)
        recording = self._recording
        try:
            self._measure("recorder", recording)
            for name in ("exports.jsonl", "wire.jsonl"):
                self._fetch(lambda: recording, "recorder", name)
        except (ControlError, OSError) as problem:
            raise RigError(f"the record could not be fetched: {problem}") from problem

    def down(self) -> None:
        """Let go of the pods, delete the namespace, and see that it is gone."""
        hands = [hand for hand in (self._pod.hand if self._pod else None, self._recording) if hand is not None]
        for hand in hands:
            _let_go(hand)
        for held in (self._pod, self._recording, self._way_to_toxiproxy):
            if held is not None:
                held.close()
        self._namespace.delete()

    def _hand(self) -> Hand:
        if self._pod is None:
            raise ControlError("the job's pod is not there yet")
        return self._pod.hand

    def _nearest_hand(self) -> Hand:
        """That in the job's pod; before it is there, that beside the recorder."""
        if self._pod is None and self._recording is not None:
            return self._recording
        return self._hand()

    def _measure(self, of: str, hand: Hand) -> Clock:
        """Measure a machine's clocks and write that down; the first figures stay the ones that are used."""
        clock = hand.clock()
        self._recorder.event("clock", of=of, **asdict(clock))
        return self._clocks.setdefault(of, clock)


def _let_go(hand: Hand) -> None:
    with contextlib.suppress(ControlError):
        hand.ask("write", {"path": str(LET_GO), "data": ""})


class Kubernetes:
    """The rig of a cluster that kubectl reaches."""

    name: RigName = "kubernetes"
    offers: frozenset[Need] = frozenset({"toxiproxy", "cluster", "memory-limit"})
    bridge_command: tuple[str, ...] = (f"image:{IMAGE}",)

    def __init__(self) -> None:
        self._lacking: tuple[str, ...] | None = None
        self._lock = threading.Lock()

    def lacking(self) -> tuple[str, ...]:
        """It needs kubectl, a cluster with native sidecars, leave to make namespaces, and the images. Asked once."""
        with self._lock:
            if self._lacking is None:
                self._lacking = cluster.lacking()
            return self._lacking

    def versions(self) -> tuple[str, ...]:
        """What answers, where it does."""
        try:
            return (f"Kubernetes {cluster.version()}",)
        except KubectlError:
            return ()

    def objection(self, command: Sequence[str]) -> str | None:
        """Only of an image's form: what is in it is seen where it is started."""
        try:
            parse(command)
        except RigError as problem:
            return str(problem)
        return None

    def up(self, setting: Setting) -> KubernetesStanding:
        """Make a namespace, and put up everything but the Job."""
        return KubernetesStanding(setting)
