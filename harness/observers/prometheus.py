"""Asks a Prometheus by PromQL over HTTP, and writes down what it holds of a run; each question is bounded."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ANSWER_SECONDS = 5.0
HELD = '{__name__=~"ml_.+", __name__!~"ml_bridge_.+"}'
"""Every series of the job under any name, buckets of histograms too; not what a bridge says of itself."""
_LOOK_BACK = "1h"
"""Longer than any run; an answer holds what there is."""
_FIRST_INSIDE_SECONDS = 0.25
"""A range begins after its left edge; this much before the first sample it holds that one too."""


class PrometheusError(Exception):
    """Prometheus is out of reach, or refused a question."""


@dataclass(frozen=True, slots=True)
class Found:
    """One series of an answer."""

    labels: dict[str, str]
    samples: tuple[tuple[float, float], ...]
    """Unix time in seconds, and the value. Values that are not finite are left out."""


class Prometheus:
    """One Prometheus server.

    Args:
        host: of its HTTP API.
        port: of its HTTP API.
    """

    def __init__(self, host: str, port: int) -> None:
        self._url = f"http://{host}:{port}/api/v1/query"
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the environment would be asked for loopback too

    def query(self, promql: str, at: float | None = None) -> list[Found]:
        """Ask one question at one moment (unix time; None: now); a range selector gives the raw samples.

        Raises:
            PrometheusError: no answer in `ANSWER_SECONDS`, or a refusal; says the question and the reason.
        """
        asked = {"query": promql, "timeout": f"{ANSWER_SECONDS:g}s"} | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            answer = self._http.get(self._url, params=asked, timeout=ANSWER_SECONDS)
            said = answer.json()
        except (requests.RequestException, ValueError) as problem:
            raise PrometheusError(f"Prometheus did not answer {promql}: {problem}") from problem
        if said.get("status") != "success":
            raise PrometheusError(f"Prometheus refused {promql}: {said.get('error')}")
        return [Found(one["metric"], _samples(one)) for one in said["data"]["result"]]


def write_down(prometheus: Prometheus, out: Path) -> None:
    """Append what Prometheus holds of a run to a file, as lines of `harness.record.BackEndSeries`.

    Each series is written raw; each counter also as ``increase()`` over the time from its first to its last sample.

    Raises:
        PrometheusError: it does not answer.
        OSError: the file cannot be written.
    """
    behind = time.time() - time.monotonic()
    with out.open("a", encoding="utf-8") as file:
        for found, query in _everything(prometheus):
            samples = [[t - behind, value] for t, value in found.samples]
            file.write(json.dumps({"query": query, "labels": found.labels, "samples": samples}) + "\n")


def _everything(prometheus: Prometheus) -> Iterator[tuple[Found, str]]:
    held = prometheus.query(f"{HELD}[{_LOOK_BACK}]")
    for found in held:
        yield found, "raw"
    for found in held:
        if found.labels["__name__"].endswith(("_total", "_count")) and len(found.samples) > 1:
            first, last = found.samples[0][0], found.samples[-1][0]
            range_ms = math.ceil(1000 * (last - first + _FIRST_INSIDE_SECONDS))
            for increase in prometheus.query(f"increase({_selector(found.labels)}[{range_ms}ms])", at=last):
                # increase() drops the name, and is a figure of the moment that it was asked for.
                yield Found(found.labels, increase.samples), "increase"


def _selector(labels: Mapping[str, str]) -> str:
    """Name exactly one series: a label that it does not have must be empty."""
    exact = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if name != "__name__")
    way = "" if "way" in labels else ', way=""'
    return f"{labels['__name__']}{{{exact}{way}}}"


def _samples(one: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    pairs = one["values"] if "values" in one else [one["value"]]
    samples = ((float(t), float(value)) for t, value in pairs)
    return tuple((t, value) for t, value in samples if math.isfinite(value))
