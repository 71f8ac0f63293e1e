from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.checks import CHECKS, CheckResult, Verdict
from harness.command_line import cli
from harness.reports import check_page

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_page_of_the_checks_is_the_one_that_their_table_makes():
    told = CliRunner().invoke(cli, ["list", "--checks"])
    assert told.exit_code == 0
    assert told.output == check_page.render()
    assert PAGE.read_text(encoding="utf-8") == told.output, (
        "make it anew: python -m harness list --checks > docs/checks.md"
    )


def test_each_check_has_one_line_with_its_least_samples_and_what_it_may_be_asked():
    lines = [line for line in check_page.render().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == list(CHECKS)
    by_name = dict(zip(CHECKS, lines, strict=True))
    assert "`during`" not in by_name["alive"]
    assert "`keeps_at_least`" in by_name["oldest-make-room"]
    assert "`pattern`" in by_name["log-absent"]
    assert "(% of one core)" in by_name["cpu-percent"]
    assert by_name["cpu-percent"].endswith("| its scenario runs by itself |")


def test_what_a_check_is_made_of_and_gives_cannot_be_changed_afterwards():
    given = CheckResult("alive", "never down", Verdict.PASS, 0, "ends", 0, None, 1, 1, "It lived.")
    for made in (*CHECKS.values(), given):
        for field in fields(made):
            with pytest.raises(FrozenInstanceError):
                setattr(made, field.name, getattr(made, field.name))
