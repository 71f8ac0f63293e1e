"""Harm by the way the collector answers: late, not now, never this one, not all of it.

Each verify makes an Export call of the harness's own (`probe.py`), straight to the sink, and looks at the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from harness.faults import http2_probe, probe
from harness.faults.contract import Answers, FaultError, Ground, Seen
from harness.faults.file import NoParameters
from harness.faults.probe import Heard
from harness.observers.decisions import POISON_UNIX_NANO, RETRY_INFO_TYPE, STATUS_DETAILS, UPDATE_METRIC
from harness.scenario import Seconds, Strict

_HANGS_SECONDS = 0.5
_AWAKE_SHARE = 0.95
"""A wait may be so much shorter by the clocks' grain."""


class Delay(Strict):
    """Parameters of `CollectorSlow` and `CollectorAcknowledgesLate`."""

    by: Seconds = 1.5


class Status(Strict):
    """Parameters of `CollectorUnavailable`."""

    code: Literal["UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "DATA_LOSS"] = "UNAVAILABLE"


class Patience(Strict):
    """Parameters of `CollectorExhausted`."""

    retry_after: Seconds = 3.0


class Poison(Strict):
    """Parameters of `CollectorRefusesOne`."""

    nth: Annotated[int, Field(ge=1)] = 1
    """Which one of the updates that come from now on is poison."""


class Partial(Strict):
    """Parameters of `CollectorTakesPart`."""

    metric: str = "ml.training.processing_time"
    """The metric whose points are left out. No gauge: a check compares the gauges with what was written."""


class _Decided:
    """What all of them share: the sink is told a decision, and in the end to take everything again."""

    def __init__(self, ground: Ground) -> None:
        self._maybe_answers = ground.answers
        self._patience = ground.patience

    @property
    def _answers(self) -> Answers:
        if self._maybe_answers is None:
            raise FaultError("on this rig the bridge does not talk to the sink itself")
        return self._maybe_answers

    def _decide(self, decision: str, **parameters: object) -> None:
        self._answers.decide(decision, parameters)

    def _heard(self, *metrics: str, time_unix_nano: int = 0, within: float = probe.QUICK_SECONDS) -> Heard:
        return probe.export(
            self._answers, *metrics, time_unix_nano=time_unix_nano, within=within, patience=self._patience
        )

    def heal(self) -> str:
        """Take everything again."""
        self._decide("ok")
        return f"a probe was answered with {probe.export(self._answers).status}"


class CollectorSlow(_Decided):
    """Every call is taken after a while only."""

    def __init__(self, ground: Ground, parameters: Delay) -> None:
        super().__init__(ground)
        self._seconds = parameters.by

    def inject(self) -> str:
        """Let the sink take its time."""
        self._decide("slow", seconds=self._seconds)
        return f"every call takes {self._seconds:g} s"

    def verify(self) -> Seen:
        """Call: it must be taken, and not before that time."""
        heard = self._heard(within=self._seconds + probe.QUICK_SECONDS)
        late = heard.status == "OK" and heard.seconds >= _AWAKE_SHARE * self._seconds
        return Seen(ok=late, evidence=f"a probe was answered with {heard.status} after {heard.seconds:.2f} s")


class CollectorAcknowledgesLate(CollectorSlow):
    """Every call is taken at once, and acknowledged after a while only."""

    def inject(self) -> str:
        """Let the sink say late what it took at once."""
        self._decide("late-acknowledgement", seconds=self._seconds)
        return f"every call is taken at once and acknowledged after {self._seconds:g} s"


class CollectorHangs(_Decided):
    """Every call is taken in and never answered, while the connection lives and answers pings."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        super().__init__(ground)

    def inject(self) -> str:
        """Let the sink say nothing."""
        self._decide("hang")
        return "no call is answered; pings are"

    def verify(self) -> Seen:
        """Call and ping: no call may be answered until it is given up, but the ping has to be."""
        heard = self._heard(within=_HANGS_SECONDS)
        pinged = http2_probe.probe(self._answers.host, self._answers.port, within=probe.QUICK_SECONDS)
        hangs = heard.status == "DEADLINE_EXCEEDED" and heard.seconds >= _AWAKE_SHARE * _HANGS_SECONDS
        evidence = f"a probe had no answer in {heard.seconds:.2f} s ({heard.status}); {pinged}"
        return Seen(ok=hangs and pinged.end == "answer", evidence=evidence)


class CollectorUnavailable(_Decided):
    """Somebody is there, and answers every call with a status that asks to come again."""

    def __init__(self, ground: Ground, parameters: Status) -> None:
        super().__init__(ground)
        self._code = parameters.code

    def inject(self) -> str:
        """Let the sink refuse for now."""
        self._decide("status", code=self._code)
        return f"every call is answered with {self._code}"

    def verify(self) -> Seen:
        """Call, and look at the status."""
        heard = self._heard()
        # The sink must have said it: a call that reached nobody has the same status.
        said = heard.status == self._code and heard.seconds < probe.QUICK_SECONDS
        return Seen(ok=said, evidence=f"a probe was answered with {heard.status} after {heard.seconds:.2f} s")


class CollectorExhausted(_Decided):
    """Every call is answered with RESOURCE_EXHAUSTED and the time after which to come again."""

    def __init__(self, ground: Ground, parameters: Patience) -> None:
        super().__init__(ground)
        self._seconds = parameters.retry_after

    def inject(self) -> str:
        """Let the sink ask for patience."""
        self._decide("exhausted", retry_after_seconds=self._seconds)
        return f"every call is answered with RESOURCE_EXHAUSTED and RetryInfo of {self._seconds:g} s"

    def verify(self) -> Seen:
        """Call, and look for status and RetryInfo."""
        heard = self._heard()
        found = _holds_retry_info(heard.trailers)
        said = f"{heard.status} {'with' if found else 'without'} RetryInfo"
        return Seen(ok=found and heard.status == "RESOURCE_EXHAUSTED", evidence=f"a probe was answered with {said}")


def _holds_retry_info(trailers: Mapping[str, bytes | str]) -> bool:
    details = trailers.get(STATUS_DETAILS, b"")
    return isinstance(details, bytes) and RETRY_INFO_TYPE.encode() in details


class CollectorRefusesOne(_Decided):
    """One certain update is refused for good, and with it every call that holds it."""

    def __init__(self, ground: Ground, parameters: Poison) -> None:
        super().__init__(ground)
        self._nth = parameters.nth

    def inject(self) -> str:
        """Let the sink choose its poison."""
        self._decide("poison", nth=self._nth)
        return f"update {self._nth} from now on is refused with INVALID_ARGUMENT, and every call that holds it"

    def verify(self) -> Seen:
        """Call with poison and without."""
        poison = self._heard(time_unix_nano=POISON_UNIX_NANO)
        good = self._heard()
        evidence = f"a probe with poison was answered with {poison.status}, one without with {good.status}"
        return Seen(ok=(poison.status, good.status) == ("INVALID_ARGUMENT", "OK"), evidence=evidence)


class CollectorTakesPart(_Decided):
    """Every call is taken but for one metric, and the answer says so."""

    def __init__(self, ground: Ground, parameters: Partial) -> None:
        super().__init__(ground)
        self._metric = parameters.metric

    def inject(self) -> str:
        """Let the sink leave one metric out."""
        if self._metric == UPDATE_METRIC:
            raise FaultError(f"{UPDATE_METRIC} names the write that an update shows: leave out another metric")
        self._decide("partial", metric=self._metric)
        return f"points of {self._metric} are left out and counted in the answer"

    def verify(self) -> Seen:
        """Call with a point of that metric."""
        heard = self._heard(self._metric, time_unix_nano=POISON_UNIX_NANO)
        evidence = f"a probe was answered with {heard.status} and {heard.rejected_points} rejected points"
        return Seen(ok=heard.status == "OK" and heard.rejected_points == 1, evidence=evidence)
