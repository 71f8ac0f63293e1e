"""The bridge with one deliberate defect each; only here may the harness import the bridge, to break it.

Every mutant is a module of its own: ``python -m harness.mutants.<name>`` runs it like the bridge. A new one is a new
file and a line in `MUTANTS`, which says what must catch it. `harness/mutants/proof.py` holds it to that.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect, and the scenario and the check that claim to catch it."""

    name: str
    """Its module's name."""
    scenario: str
    check: str

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return f"{__name__}.{self.name}"


MUTANTS = (
    Mutant("dies_on_malformed_json", "malformed-json", "alive"),
    Mutant("makes_up_values", "malformed-json", "register-model"),
    Mutant("dies_without_file", "missing-file", "alive"),
    Mutant("gives_up_on_torn_file", "torn-writes", "values-after-fault"),
    Mutant("forgets_outages", "collector-outage/refused", "every-write-delivered"),
    Mutant("replays_backwards", "collector-outage/refused", "register-model"),
    Mutant("never_reconnects", "collector-outage/silent", "values-after-fault"),
    Mutant("skips_last_read", "shutdown/healthy", "last-write-delivered"),
    Mutant("ignores_sigterm", "shutdown/healthy", "exit-clean"),
    Mutant("spins", "steady", "cpu-percent"),
    Mutant("leaks", "steady", "rss-p95"),
)
