"""Five deliberately wrong scenario files: each ends with exit code 3 and a sentence that tells what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.command_line import cli

FOLDER = Path(__file__).parents[1] / "fixtures" / "wrong_scenarios"
SAID = {
    "unknown-key": ["5: unknown key 'recoverry': did you mean 'recovery'?"],
    "negative-duration": [
        "4: warm_up: 2 is no duration: write a number and a unit, for example 500ms, 2s, 1.5m or 1h",
        "6: timeline.0.steady: '-5s' is negative: a duration is 0s or longer",
    ],
    "looser-budget": [
        "7: at_most 80 is looser than the documented limit of 50 MiB: a scenario may only be stricter",
    ],
    "no-evidence": [
        "9: cpu-percent needs a window of 10 s, the judged phases last 4 s: make the phase longer or judge another one",
        "10: values-after-fault measures from a fault's end, and the timeline has no fault: add a fault",
        (
            "11: writes are 1 s apart: below two intervals (2 s) some are never read: "
            "make job.write_period longer or bridge.interval shorter"
        ),
        "12: alive judges the run as a whole: leave the key out",
        "12: there is no phase 'outage': known here: drain, steady, steady-1, warm-up",
    ],
    "broken-yaml": [
        (
            "5: YAML syntax: while scanning for the next token found character '\\t' that cannot start any token: "
            "indent with spaces, not with tabs"
        ),
    ],
}


def test_every_wrong_file_has_its_sentence():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SAID)


@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize("name", SAID)
def test_a_wrong_file_is_exit_code_3_and_a_sentence_that_tells_what_to_do(name: str, verb: str, tmp_path: Path):
    path = FOLDER / f"{name}.yaml"
    arguments = [verb, str(path), *(["--out", str(tmp_path / "runs")] if verb == "run" else [])]

    result = CliRunner().invoke(cli, arguments)

    assert result.exit_code == 3
    assert result.output.splitlines() == [f"{path}:{said}" for said in SAID[name]]
    assert not (tmp_path / "runs").exists()


def test_quotes_that_do_not_end_say_where_to_look(tmp_path: Path):
    path = tmp_path / "open.yaml"
    path.write_text('name: "open\n')

    assert "look at the quotes, brackets and indentation" in CliRunner().invoke(cli, ["validate", str(path)]).output
