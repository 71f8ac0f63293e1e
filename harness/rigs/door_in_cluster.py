"""What faults may do to the way to the collector in a cluster: told to Toxiproxy from here, looked at from in there."""

from __future__ import annotations

from collections.abc import Callable

from harness import hands
from harness.control import ControlError
from harness.faults import FaultError, Seen
from harness.faults.http2_probe import PLAIN, Greeting, Probe
from harness.hands import Hand
from harness.rigs.toxiproxy_doors import ToxiproxyDoor


class DoorInCluster(ToxiproxyDoor):
    """A Toxiproxy that is greeted from the job's pod, as the bridge dials it."""

    hand: Callable[[], Hand]

    def greet(self, greeting: Greeting = PLAIN, *, within: float) -> Probe:
        """Have the hand greet it."""
        try:
            return self.hand().greet(self.host, self.port, greeting, within=within)
        except ControlError as problem:
            raise FaultError(str(problem)) from problem

    def send_canary(self, within: float) -> Seen:
        """Have the hand make the call."""
        try:
            found = self.hand().ask(
                "canary", {"host": self.host, "port": self.port}, within=within + hands.READY_SECONDS
            )
        except ControlError as problem:
            raise FaultError(str(problem)) from problem
        return Seen(**found)
