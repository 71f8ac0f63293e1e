"""What a run runs on: one rig, one file, one contract, one line in the table."""

from __future__ import annotations

from collections.abc import Mapping

from harness.rigs.compose import Compose
from harness.rigs.contract import Deliveries, Rig, RigError, Setting, Standing
from harness.rigs.embedded import Embedded
from harness.rigs.kubernetes import Kubernetes
from harness.rigs.local import Local
from harness.scenario import RigName

__all__ = ["RIGS", "Deliveries", "Rig", "RigError", "Setting", "Standing"]

RIGS: Mapping[RigName, Rig] = {
    "embedded": Embedded(),
    "local": Local(),
    "compose": Compose(),
    "kubernetes": Kubernetes(),
}
"""By the name that `--rig` and a scenario's ``rigs`` take."""
