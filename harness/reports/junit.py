"""JUnit's XML, which CI systems show: a suite for each run, a case for the run itself and one for each check.

The run's case has the run's time and says where its record is; the checks take none, they look at the record. What
stands here is what Jenkins' schema (junit-10.xsd) and GitLab read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from harness.checks import Verdict
from harness.checks.spans import run_end
from harness.record import RunRecord
from harness.reports.contract import Judged, command_to_repeat

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTED = (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"))


def render(runs: Sequence[Judged]) -> str:
    """Return the report as XML. INCONCLUSIVE and HARNESS ERROR are errors, NOT RUN is skipped."""
    times = Counter(run.judgement.scenario for run in runs)
    root = ET.Element("testsuites", name="bridge-harness")
    seconds = 0.0
    for run in runs:
        repeated = times[run.judgement.scenario] > 1 and run.judgement.run
        record = run.record()
        _suite(root, run, record, run.judgement.run if repeated else run.judgement.scenario)
        seconds += _seconds(record)
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in root)))
    root.set("time", f"{seconds:.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, run: Judged, record: RunRecord | None, name: str) -> None:
    judgement = run.judgement
    suite = ET.SubElement(root, "testsuite", name=_xml(name), time=f"{_seconds(record):.3f}")
    if record is not None:
        suite.set("timestamp", _xml(record.meta.started_at))
        properties = ET.SubElement(suite, "properties")
        for key, value in (
            ("rig", judgement.rig),
            ("seed", record.meta.seed),
            ("bridge", " ".join(record.meta.bridge_command)),
            ("commit", record.meta.commit or "not known"),
        ):
            ET.SubElement(properties, "property", name=key, value=_xml(str(value)))
    # A FAIL is said by the checks that failed; everything else is said of the run as a whole.
    told = any(result.verdict is Verdict.FAIL for result in judgement.checks)
    whole = Verdict.PASS if judgement.verdict is Verdict.FAIL and told else judgement.verdict
    case = _case(suite, name, "run", whole, judgement.reason, _seconds(record))
    if record is not None and run.folder is not None:
        said = [f"record: {run.folder}", *(f"log: {path}" for path in sorted(run.folder.glob("*.log")))]
        ET.SubElement(case, "system-out").text = _xml("\n".join([*said, f"again: {command_to_repeat(record.meta)}"]))
    for result in judgement.checks:
        _case(suite, name, result.check, result.verdict, f"{result.promise}: {result.reason}", 0.0)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for kind, attribute in _COUNTED:
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))


def _case(  # noqa: PLR0917 - one call site for each kind; what a case has
    suite: ET.Element, classname: str, name: str, verdict: Verdict, reason: str, seconds: float
) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=_xml(classname), name=_xml(name), time=f"{seconds:.3f}")
    kind = {Verdict.PASS: None, Verdict.FAIL: "failure", Verdict.NOT_RUN: "skipped"}.get(verdict, "error")
    if kind is not None:
        ET.SubElement(case, kind, type=str(verdict), message=_xml(f"{verdict}: {reason}"))
    return case


def _seconds(record: RunRecord | None) -> float:
    return 0.0 if record is None else run_end(record)


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)
