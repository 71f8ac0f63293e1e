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
    Mutant("ends_without_first_file", "missing-at-start/file", "alive"),
    Mutant("dies_without_permission", "unreadable-file/permission-taken", "alive"),
    Mutant("reads_huge_files", "unreadable-file/huge", "rss-peak"),
    Mutant("blocks_on_fifo", "not-a-file/fifo", "every-write-delivered"),
    Mutant("keeps_file_open", "missing-file", "values-after-fault"),
    Mutant("follows_link_once", "symlink-swap", "every-write-delivered"),
    Mutant("trusts_mtime", "mtime-backwards", "every-write-delivered"),
    Mutant("repeats_stale_values", "stale-file", "gauges-end"),
    Mutant("recounts_unchanged_file", "stale-file", "histograms-match"),
    Mutant("one_bad_field_stops_all", "wrong-types/metrics", "fields-arrive"),
    Mutant("takes_true_for_one", "wrong-types/metrics", "values-match"),
    Mutant("shows_last_finite_value", "not-finite", "values-match"),
    Mutant("explodes_series", "job-restart/same-job", "series-count"),
    Mutant("adds_numbers_up", "job-restart/same-job", "counters-match"),
    Mutant("keeps_old_jobs_series", "job-restart/new-job", "job-identity"),
    Mutant("names_the_first_job", "two-writers/two-names", "job-identity"),
    Mutant("ends_beside_quiet_job", "job-hangs", "alive"),
    Mutant("gives_up_on_torn_file", "torn-writes", "values-after-fault"),
    Mutant("forgets_outages", "collector-outage/refused", "every-write-delivered"),
    Mutant("replays_backwards", "collector-outage/refused", "register-model"),
    Mutant("never_reconnects", "collector-outage/silent", "values-after-fault"),
    Mutant("skips_last_read", "shutdown/healthy", "last-write-delivered"),
    Mutant("ignores_sigterm", "shutdown/healthy", "exit-clean"),
    Mutant("spins", "steady", "cpu-percent"),
    Mutant("leaks", "steady", "rss-p95"),
)
