"""The bridge with one deliberate defect each; only here may the harness import the bridge, to break it.

Every mutant is a module of its own: ``python -m harness.mutants.<name>`` runs it like the bridge. A new one is a new
file and a line in `MUTANTS`, which says what must catch it. `harness/mutants/proof.py` holds it to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a mutant is to weigh what the bridge weighs, so nothing heavy may be loaded with it
    from harness.scenario import RigName


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect, and the scenario and the check that claim to catch it."""

    name: str
    """Its module's name."""
    scenario: str
    check: str
    rig: RigName = "embedded"
    """Where that scenario can be run."""

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return f"{__name__}.{self.name}"


MUTANTS = (
    Mutant("dies_on_malformed_json", "malformed-json", "alive"),
    Mutant("restarts_itself", "malformed-json", "alive"),
    Mutant("says_it_by_traceback", "malformed-json", "log-absent"),
    Mutant("makes_up_values", "malformed-json", "register-model"),
    Mutant("dies_without_file", "missing-file", "alive"),
    Mutant("looks_again_in_a_minute", "missing-at-start/file", "values-after-start"),
    Mutant("ends_without_first_file", "missing-at-start/file", "alive"),
    Mutant("dies_without_permission", "unreadable-file/permission-taken", "alive"),
    Mutant("leaks_when_broken", "unreadable-file/invalid-utf8", "fds-return"),
    Mutant("reads_huge_files", "unreadable-file/huge", "rss-peak"),
    Mutant("blocks_on_fifo", "not-a-file/fifo", "every-write-delivered"),
    Mutant("spins_without_file", "costs-of-trouble", "cpu-percent"),
    Mutant("gives_up_totals", "missing-file", "metrics-exact"),
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
    Mutant("forgets_other_starts", "two-writers/one-name", "counters-match"),
    Mutant("ends_beside_quiet_job", "job-hangs", "alive"),
    Mutant("gives_up_on_torn_file", "torn-writes", "values-after-fault"),
    Mutant("forgets_outages", "collector-outage/refused", "every-write-delivered"),
    Mutant("keeps_twenty", "collector-outage/many", "every-write-delivered"),
    Mutant("hoards_in_an_outage", "collector-outage/refused", "rss-peak"),
    Mutant("leaks_connections", "collector-outage/refused", "fds-return"),
    Mutant("leaves_a_thread_behind", "collector-outage/refused", "threads-return"),
    Mutant("falls_silent_again", "collector-outage/refused", "age-of-information-at-stop"),
    Mutant("resumes_when_told_to_end", "collector-outage/refused", "first-arrival-after-recovery"),
    Mutant("replays_backwards", "collector-outage/refused", "register-model"),
    Mutant("never_reconnects", "collector-outage/silent", "values-after-fault"),
    Mutant("reconnects_at_once", "collector-killed", "connect-rate"),
    Mutant("waits_for_ever", "collector-slow/hangs", "first-arrival-after-recovery"),
    Mutant("drops_when_aborted", "collector-busy/aborted", "every-write-delivered"),
    Mutant("waits_for_answers", "collector-slow/taken-late", "every-write-delivered"),
    Mutant("hammers_busy_collector", "collector-busy/unavailable", "call-rate"),
    Mutant("drops_when_exhausted", "collector-busy/exhausted", "every-write-delivered"),
    Mutant("ignores_retry_info", "collector-busy/exhausted", "patience-kept"),
    Mutant("never_drops_poison", "collector-refuses-one/alone", "age-of-information"),
    Mutant("drops_refused_batch", "collector-refuses-one/in-a-backlog", "every-write-delivered"),
    Mutant("resends_partial_success", "collector-takes-part", "sent-once"),
    Mutant("drops_newest_when_full", "queue-overflow/small", "oldest-make-room"),
    Mutant("spins_in_an_outage", "costs-of-trouble", "cpu-percent"),
    Mutant("becomes_another", "bridge-killed/healthy", "metrics-exact"),
    Mutant("reads_past_its_spool", "bridge-killed/with-a-spool", "every-write-delivered"),
    Mutant("forgets_its_spool", "bridge-killed/with-a-spool", "every-write-delivered"),
    Mutant("dies_of_a_full_disk", "bridge-limits/spool-disk", "alive"),
    Mutant("drops_what_no_disk_takes", "bridge-limits/spool-disk", "every-write-delivered"),
    Mutant("dies_without_descriptors", "bridge-limits/files", "alive"),
    Mutant("dies_of_memory_error", "bridge-limits/address-space", "alive"),
    Mutant("dies_of_a_late_tick", "bridge-stopped", "alive"),
    Mutant("skips_last_read", "shutdown/healthy", "last-write-delivered"),
    Mutant("drops_what_waits", "shutdown/behind", "every-write-delivered"),
    Mutant("leaves_out_counters", "shutdown/healthy", "metrics-exact"),
    Mutant("skews_counters", "shutdown/healthy", "metrics-exact"),
    Mutant("wrong_times", "shutdown/healthy", "metrics-exact"),
    Mutant("no_attributes", "shutdown/healthy", "metrics-exact"),
    Mutant("ignores_sigterm", "shutdown/healthy", "exit-clean"),
    Mutant("exits_with_an_error", "shutdown/healthy", "exit-clean"),
    Mutant("dies_of_sigint", "shutdown/interrupted", "exit-clean"),
    Mutant("hangs_at_shutdown", "shutdown/silent", "exit-clean"),
    Mutant("hears_signals_late", "shutdown/starting", "exit-clean"),
    Mutant("looks_once", "shutdown/mid-write", "last-write-delivered"),
    Mutant("spins", "steady", "cpu-percent"),
    Mutant("burns_in_helpers", "steady", "cpu-percent"),
    Mutant("leaks", "steady", "rss-p95"),
    Mutant("repeats_itself", "steady", "network-rate"),
    Mutant("sends_every_fifteen_seconds", "steady", "arrival-latency"),
    Mutant("leaks_slowly", "many-ticks/a-thousand", "rss-slope"),
    Mutant("leaks_descriptors", "many-ticks/a-thousand", "fds-slope"),
    Mutant("leaks_threads", "many-ticks/a-thousand", "threads-slope"),
    Mutant("prints_tracebacks", "many-ticks/a-thousand", "log-absent"),
    Mutant("dies_of_a_broken_connection", "network/reset", "alive", "local"),
    Mutant("takes_silence_for_success", "network/cut", "every-write-delivered", "local"),
    Mutant("drops_when_asked_to_come_again", "collector-full", "every-write-delivered", "local"),
    Mutant("gives_loss_a_unit", "back-end/values", "back-end-values", "local"),
    Mutant("counts_twice", "back-end/values", "counter-increase", "local"),
    Mutant("restamps_backlog", "back-end/outage", "backlog-in-back-end", "local"),
)

WORSE = ("ticks_slowly", "weighs_more")
"""Mutants that no limit catches, because they are well within it: `python -m benchmarks.compare --prove` does, side by
side with the bridge itself."""
