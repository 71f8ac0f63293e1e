"""What the bridge takes of the machine, by the engine's own figures, and what becomes of it where there is little."""

from __future__ import annotations

from collections.abc import Callable

from harness.waiting import wait_until
from tests.e2e.engine import Figures, figures
from tests.e2e.stack import Stack

STEADY_SECONDS = 30
CPU_PERCENT_MAX = 5
MEMORY_MIB_MAX = 50
NETWORK_MBIT_MAX = 1
MIB = 2**20
KILLED = 137


def test_at_a_write_and_a_look_a_second_the_documented_limits_are_kept(stack: Stack, figure: Callable[[str], None]):
    stack.until_fresh("bridge", within=60)
    container = stack.container("bridge")
    samples: list[Figures] = []

    def long_enough() -> bool:
        samples.append(figures(container))
        return samples[-1].read_seconds - samples[0].read_seconds >= STEADY_SECONDS

    wait_until(long_enough, within=3 * STEADY_SECONDS, every=1, what=f"samples over {STEADY_SECONDS} s")
    first, last = samples[0], samples[-1]
    seconds = last.read_seconds - first.read_seconds
    cpu_percent = 100 * (last.cpu_seconds - first.cpu_seconds) / seconds
    memory_mib = max(sample.memory_bytes for sample in samples) / MIB
    network_mbit = 8e-6 * (last.network_bytes - first.network_bytes) / seconds
    figure(
        f"1 s / 1 s for {seconds:.0f} s, by the engine: CPU {cpu_percent:.2f} % of one core, memory at most"
        f" {memory_mib:.1f} MiB, network {1000 * network_mbit:.1f} kbit/s; its health checks are in these figures"
    )
    assert len(samples) >= 10
    assert last.network_bytes > first.network_bytes, "nothing was sent"
    assert 0 < cpu_percent < CPU_PERCENT_MAX
    assert 0 < memory_mib < MEMORY_MIB_MAX
    assert network_mbit < NETWORK_MBIT_MAX


def test_at_40_mib_the_bridge_lives_through_an_outage_and_at_16_it_is_killed_for_its_memory(
    stack: Stack, figure: Callable[[str], None]
):
    stack("--profile low-memory up --detach --no-deps bridge-40m bridge-16m")
    wait_until(lambda: not stack.ending("bridge-16m").running, within=60, every=0.5, what="the end of bridge-16m")
    killed = stack.ending("bridge-16m")
    assert (killed.killed_for_memory, killed.exit_code) == (True, KILLED)

    stack.until_fresh("bridge-40m", within=60)
    before = stack.ending("bridge-40m")
    assert before.running
    known = len(stack.writes())
    stack("stop --timeout 5 collector")
    wait_until(lambda: len(stack.writes()) >= known + 15, within=60, every=0.5, what="15 writes in the outage")
    stack("start collector")
    stack.until_fresh("bridge-40m", within=40)
    assert stack.ending("bridge-40m") == before
    memory = figures(stack.container("bridge-40m")).memory_bytes / MIB
    figure(f"at a limit of 40 MiB: {memory:.1f} MiB after an outage, not killed; at 16 MiB: killed, exit {KILLED}")
    stack.away("bridge-40m", "bridge-16m")
