"""JUnit's XML, which CI systems show: a suite for each scenario, a case for each check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from harness.checks import Verdict
from harness.verdict import Judgement

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(judgements: Sequence[Judgement]) -> str:
    """Return the report as XML. INCONCLUSIVE and HARNESS ERROR are errors, NOT RUN is skipped."""
    root = ET.Element("testsuites", name="bridge-harness")
    for judgement in judgements:
        suite = ET.SubElement(root, "testsuite", name=judgement.scenario)
        cases = [_case(suite, judgement, result.check, result.verdict, result.reason) for result in judgement.checks]
        worst = {result.verdict for result in judgement.checks}
        if judgement.verdict not in {Verdict.PASS, *worst} or not cases:
            cases.append(_case(suite, judgement, "run", judgement.verdict, judgement.reason))
        suite.set("tests", str(len(cases)))
        for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, judgement: Judgement, name: str, verdict: Verdict, reason: str) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=judgement.scenario, name=name)
    kind = {Verdict.PASS: None, Verdict.FAIL: "failure", Verdict.NOT_RUN: "skipped"}.get(verdict, "error")
    if kind is not None:
        ET.SubElement(case, kind, message=_NOT_XML.sub("?", f"{verdict}: {reason}"))
    return case
