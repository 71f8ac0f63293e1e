"""Every way in which a scenario file can be wrong, with the line that is named and the mend that is offered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from harness import loading
from harness.loading import ScenarioFileError, load, parse
from harness.needs import needs_of
from harness.scenario import FaultStep, Scenario, SteadyStep, parse_memory

GOOD = """\
name: by-hand
what: Something happens to the bridge.
why: Because it may happen at any time.
warm_up: 2s
job: {write_period: 2s}
bridge: {interval: 1s}
timeline:
  - steady: 12s
  - {name: outage, fault: collector-refused, for: 1.5m, recovery: 500ms}
checks:
  - {check: alive, promise: survives-bad-input}
"""


def problems(text: str) -> list[str]:
    """What is said about a text, without the name of the file."""
    with pytest.raises(ScenarioFileError) as caught:
        parse(text, name="f.yaml")
    assert all(str(problem).startswith("f.yaml:") for problem in caught.value.problems)
    return [str(problem).removeprefix("f.yaml:") for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_file_is_one_scenario_with_durations_in_seconds():
    (scenario,) = parse(GOOD, name="f.yaml")

    steady, fault = scenario.timeline
    assert isinstance(steady, SteadyStep)
    assert isinstance(fault, FaultStep)
    assert (steady.steady, fault.for_, fault.recovery, scenario.warm_up) == (12.0, 90.0, 0.5, 2.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("warm_up: 2s", "warm_upp: 2s", "4: unknown key 'warm_upp': did you mean 'warm_up'?"),
        ("{interval: 1s}", "{intervall: 1s}", "6: unknown key 'intervall': did you mean 'interval'?"),
        ("recovery: 500ms", "recover: 500ms", "9: unknown key 'recover': did you mean 'recovery'?"),
        ("steady: 12s", "{steady: 12s, for: 3s}", "8: unknown key 'for': known here: name, steady"),
        ("warm_up: 2s", "warm_up: -2s", "4: warm_up: '-2s' is negative: a duration is 0s or longer"),
        (
            "warm_up: 2s",
            "warm_up: 2",
            "4: warm_up: 2 is no duration: write a number and a unit, for example 500ms, 2s, 1.5m or 1h",
        ),
        ("why: Because it may happen at any time.\n", "", "1: 'why' is missing: a scenario needs it"),
        ("for: 1.5m, ", "", "9: 'for' is missing: timeline.1 needs it"),
        ("steady: 12s", "steady: 0s", "8: a step must last some time"),
        ("name: outage", "name: fault", "9: 'fault' is the name of a kind of phase: choose another name"),
        ("steady: 12s", "{steady: 12s, name: outage}", "9: two steps are called 'outage': choose another name"),
        (
            "collector-refused",
            "collector-refusd",
            "9: there is no fault 'collector-refusd': did you mean 'collector-refused'?",
        ),
        ("check: alive", "check: alife", "11: there is no check 'alife': did you mean 'alive'?"),
        (
            "promise: survives-bad-input",
            "promise: survive-bad-input",
            "11: there is no promise 'survive-bad-input': did you mean 'survives-bad-input'?",
        ),
        ("interval: 1s", "interval: 0s", "6: the bridge's interval is zero: write for example 1s"),
        ("write_period: 2s", "write_period: 0s", "5: the job's write period is zero: write for example 2s"),
        ("warm_up: 2s", "profile: smok", "4: profile cannot be 'smok': did you mean 'smoke'?"),
        ("warm_up: 2s", "rigs: []", "4: no rig may run it: leave the key out to allow all"),
        ("warm_up: 2s", "stop: {under: {fault: nothing}}", "4: there is no fault 'nothing'"),
        ("warm_up: 2s", "start: {job_afer: 1s}", "4: unknown key 'job_afer': did you mean 'job_after'?"),
        (
            "warm_up: 2s",
            "start: {without_folder: true}",
            "4: the job makes the folder, and it starts before the bridge",
        ),
        ("collector-refused", "file-permission-taken", "9: root may read what nobody may read: set bridge.obeys_"),
        (
            "check: alive, promise: survives-bad-input",
            "check: gauges-end, promise: survives-bad-input",
            "11: gauges-end cannot fail within a fault of 90 s: say at_most 90 or less",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_mend(old: str, new: str, said: str):
    (problem,) = problems(changed(old, new))

    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("{check: rss-p95, promise: memory-steady, at_most: 51}", "looser than the documented limit of 50 MiB"),
        ("{check: rss-p95, promise: memory-steady, at_most: -1}", "at_most -1 is negative: no bridge could keep it"),
        ("{check: rss-p95, promise: cpu-steady}", "the promise 'cpu-steady' has no budget for 'rss-p95'"),
        ("{check: rss-p95, promise: memory-steady, samples_at_least: 1}", "asks for at least 10 samples itself"),
        ("{check: rss-p95, promise: memory-steady, during: [recovry]}", "no phase 'recovry': did you mean 'recovery'?"),
        ("{check: alive, promise: survives-bad-input, during: [steady]}", "alive judges the run as a whole"),
        (
            "{check: age-of-information, promise: latency, during: [steady]}",
            "age-of-information cannot be above 32 s where the judged phases last 12 s: say at_most, less than 12, or",
        ),
        (
            "{check: arrival-latency, promise: latency, during: [steady], at_most: 12}",
            "arrival-latency cannot be above 12 s where the judged phases last 12 s: say at_most, less than 12, or",
        ),
        (
            "{check: cpu-percent, promise: cpu-steady, during: [recovery]}",
            "window of 10 s, the judged phases last 0.5 s",
        ),
    ],
)
def test_an_impossible_budget_is_an_error(check: str, said: str):
    (problem,) = problems(changed("{check: alive, promise: survives-bad-input}", check))

    assert problem.startswith("11: ")
    assert said in problem


def test_every_write_cannot_be_wanted_where_writes_are_less_than_two_intervals_apart():
    text = changed("write_period: 2s", "write_period: 1999ms").replace(
        "check: alive, promise: survives-bad-input", "check: every-write-delivered, promise: latency"
    )

    (problem,) = problems(text)

    assert problem.startswith("11: writes are 1.999 s apart: below two intervals (2 s) some are never read: make")


def test_what_is_measured_from_a_fault_needs_one():
    text = GOOD.replace("  - {name: outage, fault: collector-refused, for: 1.5m, recovery: 500ms}\n", "").replace(
        "check: alive", "check: values-after-fault"
    )

    assert "the timeline has no fault" in problems(text)[0]


def test_the_parameters_of_a_fault_are_checked():
    text = changed("fault: collector-refused,", "fault: file-malformed, with: {content: ful, contnt: x},")

    assert [problem.split(":")[0] for problem in problems(text)] == ["9", "9"]
    assert any("file-malformed has no parameter 'contnt': did you mean 'content'?" in p for p in problems(text))


def test_all_problems_are_found_in_one_reading_those_of_form_and_those_of_sense():
    text = """\
name: nonsense
what: Everything is wrong with it.
why: To see what is said about it.
warm_upp: 2s
settle: -3s
timeline:
  - {steady: 5s, nmae: x}
  - {fault: collector-refusd, for: 2s}
checks:
  - {check: cpu-percent, promise: cpu-steady, at_most: 50}
  - {promise: latency}
  - {check: alive, promise: latncy}
  - 7
"""
    assert [problem.split(":")[0] for problem in problems(text)] == ["4", "5", "7", "8", "10", "10", "11", "12", "13"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty"),
        ("- a\n- b\n", "1: a scenario is a mapping"),
        ("name: a\nname: b\n", "2: the key 'name' stands here a second time (first in line 1): keep one"),
        ("name: a\n  what: b\n", "2: YAML syntax"),
        ("name: [a\nwhat: b\n", "2: YAML syntax"),
        ("name: 'a\n", "2: YAML syntax"),
        ("name: a\x00b\n", "1: the character #x00 is not allowed"),
        ("name: a\n---\nname: b\n", "2: YAML syntax"),
        ("a: &x {b: 1}\nc: *x\n", "1: an anchor and its alias are not allowed here: write it out"),
        ("a: !!python/object:os.system {}\n", "1: unknown key 'a'"),
        ("? [a, b]\n: 1\n", "1: a key must be a single word"),
        ("name: 1e999\n", "1: the number 1e999 is too large"),
        ("[" * 5000, "1: nested too deeply"),
    ],
)
def test_what_is_no_yaml_mapping_is_named_with_its_line(text: str, said: str):
    assert any(problem.startswith(said) for problem in problems(text)), problems(text)


def test_aliases_cannot_blow_a_small_file_up():
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))

    assert problems(f"a0: &a0 [x]\n{levels}\n")


def test_words_that_yaml_1_1_takes_for_other_things_stay_words():
    (scenario,) = parse(GOOD.replace("warm_up: 2s", "tags: [yes, on, no]"), name="f.yaml")

    assert scenario.tags == ("yes", "on", "no")


def test_each_variant_is_a_scenario_with_its_changes_merged_deeply():
    first, second = parse(
        GOOD + "variants:\n  one: {}\n  two: {bridge: {log_level: DEBUG}, timeline: [{steady: 3s}]}\n", name="f.yaml"
    )

    assert (first.name, second.name) == ("by-hand/one", "by-hand/two")
    assert (first.bridge.log_level, second.bridge.log_level) == ("INFO", "DEBUG")
    assert second.bridge.interval == first.bridge.interval == 1.0
    assert (len(first.timeline), len(second.timeline)) == (2, 1)


def test_a_mistake_in_a_variant_has_the_variants_line_and_one_in_the_base_is_named_once():
    text = changed("warm_up: 2s", "warm_upp: 2s") + "variants:\n  one: {}\n  two:\n    bridge: {intervall: 3s}\n"

    assert problems(text) == [
        "4: unknown key 'warm_upp': did you mean 'warm_up'?",
        "15: unknown key 'intervall': did you mean 'interval'?",
    ]


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ("variants: []", "12: variants is no mapping"),
        ("variants: {one: 3}", "12: the variant 'one' is no mapping"),
        ("variants: {one: {name: x}}", "12: a variant has no name key"),
        (
            "variants: {One Two: {}}",
            "12: name must be of small letters, digits and single hyphens, not 'by-hand/One Two'",
        ),
    ],
)
def test_variants_of_the_wrong_form_are_named(variants: str, said: str):
    assert problems(GOOD + variants + "\n")[0].startswith(said)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("what: 3", "what must be a text, not 3: put it in quotes"),
        (
            "timeline: {steady: 3s}",
            "timeline must be a list, not {'steady': '3s'}: begin each of its lines with a hyphen",
        ),
        ("timeline: [x]", "timeline.0 must be a mapping of keys to values, not 'x': write key: value"),
        ("checks: []", "checks must be a list with something in it, not []: give one at least"),
        ("job: {epochs: many}", "job.epochs must be a whole number, not 'many': write for example 3"),
        ("start: {without_folder: maybe}", "start.without_folder must be true or false, not 'maybe'"),
        ("bridge: {env: {A: 3}}", "bridge.env.A must be a text, not 3: put it in quotes"),
        ("name: Not so", "name must be of small letters, digits and single hyphens, not 'Not so': write for example"),
    ],
)
def test_a_value_of_the_wrong_form_is_told_what_it_must_be_and_how_to_write_it(key: str, said: str):
    kept = yaml.safe_load(GOOD)
    kept.update(yaml.safe_load(key))
    assert any(said in problem for problem in problems(yaml.safe_dump(kept, sort_keys=False)))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    for path, said in (
        (tmp_path / "none.yaml", "there is no such file: `python -m harness list` names the scenarios that there are"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(ScenarioFileError) as caught:
            load(path)
        assert str(caught.value) == f"{path}:1: {said}"


def test_a_file_that_is_not_utf8_is_named_with_the_line(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: a\nwhat: caf\xe9\n")

    with pytest.raises(ScenarioFileError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2: not UTF-8: byte 0xe9: save the file as UTF-8"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (loading.SIZE_MAX_BYTES + 1))

    with pytest.raises(ScenarioFileError, match="too large"):
        load(path)


def test_a_fifo_in_the_files_place_is_named_and_not_waited_for(tmp_path: Path):
    path = tmp_path / "fifo.yaml"
    os.mkfifo(path)

    with pytest.raises(ScenarioFileError, match="this is no regular file: give the path of a scenario file"):
        load(path)


FAULT = "name: outage, fault: collector-refused, for: 1.5m"


@pytest.mark.parametrize(
    "fault",
    ["file-missing", "file-malformed", "job-paused", "job-gone", "collector-refused", "network-cut", "bridge-stopped"],
)
def test_a_fault_that_could_pass_between_two_readings_is_an_error(fault: str):
    (problem,) = problems(changed(FAULT, f"name: outage, fault: {fault}, for: 1999ms"))

    assert problem.startswith(f"9: {fault} lasts 1.999 s, shorter than two intervals of the bridge (2 s): ")
    assert parse(changed(FAULT, f"name: outage, fault: {fault}, for: 2s"), name="f.yaml")


def test_a_fault_inside_of_another_must_last_two_intervals_too():
    inner = "inner: {fault: file-missing, after: 1s, for: 1ms}"

    (problem,) = problems(changed("recovery: 500ms", f"recovery: 500ms, {inner}"))

    assert "file-missing lasts 0.001 s, shorter than two intervals" in problem


def test_a_kill_is_met_however_short_the_bridge_is_gone():
    assert parse(changed(FAULT, "name: outage, fault: bridge-killed, for: 1ms"), name="f.yaml")


def test_torn_writes_that_hardly_a_reading_could_meet_are_an_error():
    torn = "name: outage, fault: job-torn-writes, with: {{hold: {hold}}}, for: 10s"

    (problem,) = problems(changed(FAULT, torn.format(hold="199ms")))

    assert problem.startswith("9: each write is torn for 0.199 s of 2 s: of the 10 readings only ")
    assert parse(changed(FAULT, torn.format(hold="200ms")), name="f.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("24.1h", "8: timeline.0.steady: '24.1h' is too long: a duration is 24h at most"),
        ("9" * 400 + "h", "8: timeline.0.steady: '9999999999"),
    ],
)
def test_no_step_is_longer_than_a_day(text: str, said: str):
    (problem,) = problems(changed("steady: 12s", f"steady: {text}"))

    assert problem.startswith(said)
    assert parse(changed("steady: 12s", "steady: 24h"), name="f.yaml")


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "METRICS_FILE_PATH",
        "COLLECTION_INTERVAL",
        "LOG_LEVEL",
    ],
)
def test_what_the_harness_sets_itself_cannot_be_overridden(name: str):
    (problem,) = problems(changed("{interval: 1s}", f'{{interval: 1s, env: {{{name}: "x"}}}}'))

    assert problem.startswith(f"6: {name} is set by the harness")


@pytest.mark.parametrize(
    "check", ["check: rss-p95, promise: memory-steady", "check: rss-peak, promise: memory-peak",
              "check: cpu-percent, promise: cpu-steady", "check: exit-clean, promise: shutdown"],
)  # fmt: skip
def test_nothing_at_all_cannot_be_asked_of_what_every_process_takes(check: str):
    (problem,) = problems(changed("check: alive, promise: survives-bad-input", f"{check}, at_most: 0"))

    assert problem.startswith("11: at_most is 0 ")
    assert parse(changed("survives-bad-input}", "survives-bad-input, at_most: 0}"), name="f.yaml")


@pytest.mark.parametrize("promise", ["survives-bad-input", "collector-outage"])
def test_writes_further_apart_than_the_run_is_long_make_no_limit_of_hours(promise: str):
    text = changed("check: alive, promise: survives-bad-input", f"check: values-after-fault, promise: {promise}")

    (problem,) = problems(text.replace("write_period: 2s", "write_period: 5h"))

    assert problem.startswith("5: values-after-fault allows for a write period (18000 s), and the timeline lasts only")
    assert parse(text, name="f.yaml")
    assert parse(changed("write_period: 2s", "write_period: 5h"), name="f.yaml")


INNER = """
name: inner
what: a fault in a fault
why: to test the loading
timeline:
  - {name: away, fault: collector-refused, for: 5s, inner: {fault: bridge-killed, after: 1s, for: 2s}}
checks:
  - {check: alive, promise: collector-outage}
"""


def test_a_fault_may_lie_inside_of_another():
    (scenario,) = parse(INNER, name="inner.yaml")
    step = scenario.timeline[0]
    assert isinstance(step, FaultStep)
    assert step.inner is not None
    assert (step.inner.fault, step.inner.after, step.inner.for_) == ("bridge-killed", 1.0, 2.0)
    assert Scenario.from_record(scenario.model_dump(mode="json", by_alias=True)) == scenario


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("for: 2s", "for: 4s", "bridge-killed ends 5 s after collector-refused began, which lasts 5 s"),
        ("for: 2s", "for: 0s", "a fault must last some time"),
        ("fault: bridge-killed", "fault: collector-refused", "in place already"),
        ("fault: bridge-killed", "fault: bridge-kiled", "did you mean 'bridge-killed'"),
        ("after: 1s, for: 2s", "afer: 1s, for: 2s", "did you mean 'after'"),
        ("promise: collector-outage", "promise: collector-outage, keeps_at_least: 2", "alive lets nothing be lost"),
    ],
)
def test_what_is_wrong_with_a_fault_inside_of_another_is_said(old: str, new: str, reason: str):
    with pytest.raises(ScenarioFileError) as caught:
        parse(INNER.replace(old, new), name="inner.yaml")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("written", "held"), [("64MiB", 64 * 2**20), ("6 MiB", 6 * 2**20), ("1GiB", 2**30), ("64GiB", 64 * 2**30)]
)
def test_an_amount_of_memory_has_a_unit_and_is_held_in_bytes(written: str, held: int):
    assert parse_memory(written) == held


@pytest.mark.parametrize(
    "written", ["64", "64MB", "64Mi", "-1MiB", "1.5MiB", "5MiB", "65GiB", 64, None, "", "9" * 99 + "GiB"]
)
def test_what_is_no_amount_of_memory_is_refused_with_the_mend(written: object):
    with pytest.raises(ValueError, match=r"write a whole number and a unit, for example 64MiB|from 6MiB to 64GiB"):
        parse_memory(written)


def test_a_recorded_memory_limit_is_read_back():
    document = {
        "name": "x",
        "what": "a scenario with a limit",
        "why": "to be read back from a record",
        "bridge": {"interval": 1.0, "memory_limit": 40 * 2**20},
        "timeline": [{"steady": 1.0}],
        "checks": [{"check": "alive", "promise": "shutdown"}],
    }
    recorded = Scenario.from_record(document)
    assert recorded.bridge.memory_limit == 40 * 2**20
    assert Scenario.from_record(recorded.model_dump(mode="json")) == recorded
    assert "memory-limit" in needs_of(recorded)
    with pytest.raises(ValueError, match="6MiB to 64GiB"):
        Scenario.from_record({**document, "bridge": {"memory_limit": 17}})
