"""Reads the folder of a run into a RunRecord, and refuses one that is damaged or was changed; nothing is judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness import ledger, seal
from harness.record import (
    FIRST_FILES,
    LINE_FILES,
    SCHEMA_VERSION,
    BackEndSeries,
    Event,
    Export,
    Ledger,
    Meta,
    Phase,
    Point,
    RecordError,
    RunRecord,
)
from harness.samples import MachineSample, ResourceSample, WireSample

_FILES_OF_VERSION = {1: FIRST_FILES, SCHEMA_VERSION: LINE_FILES}
"""Which files of lines a complete record of that version counted."""

_T = TypeVar("_T")


def load(run_dir: Path) -> RunRecord:
    """Read a run's folder; an interrupted run gives the part that it has.

    Raises:
        RecordError: no run folder, an unknown version, a damaged one, or one that was changed after its run; says which
            file and line.
    """
    meta = _meta(run_dir / "run.json")
    if meta.complete and not meta.interrupted:
        seal.check(run_dir)
    origin = meta.origin

    def read(name: str, build: Callable[[dict[str, Any]], _T]) -> tuple[_T, ...]:
        return _lines(run_dir / name, meta, build)

    events = tuple(sorted(read("events.jsonl", lambda line: _event(line, origin)), key=lambda one: one.t))
    ended = None if meta.ended is None else meta.ended - origin
    scenario = _object(run_dir / "scenario.json")
    return RunRecord(
        meta=replace(meta, ended=ended),
        scenario=scenario,
        bridge_log=_log(run_dir / "bridge.log") if _looks_at_log(scenario) else None,
        events=events,
        phases=_phases(events, ended),
        ledger=_ledger(run_dir, meta),
        exports=tuple(sorted(read("exports.jsonl", lambda line: _export(line, origin)), key=lambda one: one.t)),
        resources=read("resources.jsonl", lambda line: ResourceSample(**_timed(line, origin))),
        wire=read("wire.jsonl", lambda line: WireSample(**_timed(line, origin))),
        machine=read("machine.jsonl", lambda line: MachineSample(**_timed(line, origin))),
        back_end=read("back_end.jsonl", lambda line: _back_end(line, origin)),
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise RecordError(f"{path} is damaged: it is no regular file")
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"{path.parent} is no run folder: it has no {path.name}") from None
    except (OSError, ValueError) as problem:
        raise RecordError(f"{path} cannot be read: {problem}") from problem
    except RecursionError:
        raise RecordError(f"{path} is damaged: it is nested too deeply") from None
    if not isinstance(found, dict):
        raise RecordError(f"{path} holds no object")
    return found


def _looks_at_log(scenario: Mapping[str, Any]) -> bool:
    checks = scenario.get("checks")
    return any(isinstance(one, dict) and one.get("pattern") is not None for one in checks or ())


def _log(path: Path) -> tuple[str, ...] | None:
    try:
        return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise RecordError(f"{path} cannot be read: {problem}") from problem


def _meta(path: Path) -> Meta:
    found = _object(path)
    version = found.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version not in _FILES_OF_VERSION:
        known = " and ".join(map(str, _FILES_OF_VERSION))
        raise RecordError(f"{path} is of version {version!r}; this harness reads versions {known}")
    if unknown := sorted(found.keys() - {known.name for known in fields(Meta)}):
        raise RecordError(f"{path} is damaged: nobody knows {unknown[0]!r}")
    try:
        meta = TypeAdapter(Meta).validate_json(json.dumps(found), strict=True)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise RecordError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from problem
    if not math.isfinite(meta.origin) or not math.isfinite(meta.ended or 0.0):
        raise RecordError(f"{path} is damaged: origin and ended must be finite")
    if meta.complete and (
        meta.ended is None or (uncounted := sorted({*_FILES_OF_VERSION[version]} - meta.lines.keys()))
    ):
        what = "when it ended" if meta.ended is None else f"how many lines {uncounted[0]} had"
        raise RecordError(f"{path} is damaged: the run ended, and it does not say {what}")
    return meta


def _timed(line: Mapping[str, Any], origin: float) -> dict[str, Any]:
    return {**line, "t": line["t"] - origin}


def _event(line: Mapping[str, Any], origin: float) -> Event:
    event = Event(**_timed(line, origin))
    if not isinstance(event.data, dict):
        raise TypeError("data is no object")
    if event.kind == "phase":
        event.data["name"], event.data["phase"]
    return event


def _export(line: Mapping[str, Any], origin: float) -> Export:
    return Export(**{**_timed(line, origin), "points": tuple(map(_point, line["points"]))})


def _point(point: Mapping[str, Any]) -> Point:
    lists = {name: tuple(point[name]) for name in ("bounds", "buckets") if point.get(name) is not None}
    return Point(**{**point, **lists})


def _back_end(line: Mapping[str, Any], origin: float) -> BackEndSeries:
    samples = tuple((t - origin, value) for t, value in line["samples"])
    return BackEndSeries(line["query"], line["labels"], samples)


def _whole_lines(path: Path, meta: Meta) -> list[bytes]:
    """Each whole line of a file; what a process was writing when it was killed is no line."""
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        whole = []
    except OSError as problem:
        raise RecordError(f"{path} cannot be read: {problem}") from problem
    if meta.complete and len(whole) != (counted := meta.lines.get(path.name, 0)):
        raise RecordError(f"{path} is damaged: {len(whole)} lines, and the run ended with {counted}")
    return whole


def _lines(path: Path, meta: Meta, build: Callable[[dict[str, Any]], _T]) -> tuple[_T, ...]:
    built = []
    for number, line in enumerate(_whole_lines(path, meta), start=1):
        try:
            built.append(build(json.loads(line)))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError, RecursionError) as problem:
            raise RecordError(f"{path}:{number} is damaged: {type(problem).__name__}: {problem}") from problem
    return tuple(built)


def _phases(events: tuple[Event, ...], ended: float | None) -> tuple[Phase, ...]:
    begun = [(event.data["name"], event.data["phase"], event.t) for event in events if event.kind == "phase"]
    last = ended if ended is not None else max((event.t for event in events), default=0.0)
    ends = [start for _, _, start in begun[1:]] + [last]
    return tuple(Phase(name, kind, start, end) for (name, kind, start), end in zip(begun, ends, strict=False))


def _ledger(run_dir: Path, meta: Meta) -> Ledger:
    paths = ledger.paths(run_dir, also=meta.lines)
    for path in paths:
        _whole_lines(path, meta)  # the ledger's own reader cannot know that some are missing
    return ledger.merged([ledger.read(path, origin=meta.origin) for path in paths])
