"""Harm to the network between bridge and collector, by a real Toxiproxy. Each is seen by a connection of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from harness.faults.contract import FaultError, Ground, NetworkDoor, Seen
from harness.faults.http2_probe import PLAIN, Greeting, Probe
from harness.scenario import Seconds, Strict
from harness.toxiproxy import Stream, Toxic

Direction = Literal["upstream", "downstream", "both"]
"""Upstream: from the bridge to the collector."""
_WITHIN_SECONDS = 5.0
_HEALTHY_SECONDS = 0.15
"""A healthy way answers a greeting in some milliseconds; a busy machine may take this long."""
_KB = 1000
_HALF_SECONDS = 0.5
_HARMLESS_MS = 10


class _Toxified:
    """What all of them share: toxics put in place, read back, taken away."""

    def __init__(self, ground: Ground, toxics: tuple[Toxic, ...], *, reconnect: bool = False) -> None:
        self._ground = ground
        self._toxics = toxics
        self._reconnect = reconnect

    def inject(self) -> str:
        """Put the toxics in place."""
        self._door.spoil(self._toxics, reconnect=self._reconnect)
        return f"{self._names} in place{', all connections begin anew' if self._reconnect else ''}"

    def heal(self) -> str:
        """Take the toxics away."""
        self._door.mend(self._toxics)
        return f"{self._names} taken away"

    @property
    def _door(self) -> NetworkDoor:
        if self._ground.network is None:
            raise FaultError("this rig has no Toxiproxy: run it with --rig local")
        return self._ground.network

    @property
    def _names(self) -> str:
        return ", ".join(f"{toxic.name}{toxic.attributes}" for toxic in self._toxics)

    def _probe(self, greeting: Greeting = PLAIN, within: float = _WITHIN_SECONDS) -> Probe:
        return self._door.greet(greeting, within=within)

    def _seen(self, ok: bool, evidence: str) -> Seen:
        """Toxiproxy must say so too."""
        missing = {toxic.name for toxic in self._toxics} - {toxic.name for toxic in self._door.toxics()}
        if missing:
            return Seen(ok=False, evidence=f"Toxiproxy has no {', '.join(sorted(missing))}; {evidence}")
        return Seen(ok=ok, evidence=evidence)


def _streams(direction: Direction) -> tuple[Stream, ...]:
    return ("upstream", "downstream") if direction == "both" else (direction,)


class Latency(Strict):
    """Parameters of `NetworkLatency`."""

    delay: Seconds = 0.3
    direction: Direction = "both"

    @field_validator("delay")
    @classmethod
    def _is_felt(cls, value: float) -> float:
        if value < 2 * _HEALTHY_SECONDS:
            raise ValueError(f"{value:g} s cannot be told from a busy machine: {2 * _HEALTHY_SECONDS:g} s or more")
        return value


class NetworkLatency(_Toxified):
    """Everything takes longer on the way."""

    def __init__(self, ground: Ground, parameters: Latency) -> None:
        streams = _streams(parameters.direction)
        self._least = parameters.delay * len(streams)
        delay_ms = round(1000 * parameters.delay)
        super().__init__(ground, tuple(Toxic("latency", one, {"latency": delay_ms, "jitter": 0}) for one in streams))

    def verify(self) -> Seen:
        """Greet in HTTP/2: the answer comes late."""
        found = self._probe(within=_WITHIN_SECONDS + 2 * self._least)
        late = found.end == "answer" and found.seconds >= self._least - 2 * _HARMLESS_MS / 1000
        return self._seen(late, f"{found}, wanted after {self._least:g} s")


class Jitter(Strict):
    """Parameters of `NetworkJitter`."""

    delay: Seconds = 0.2
    jitter: Seconds = 0.2
    """Each piece of data takes ``delay`` plus or minus up to this."""


class NetworkJitter(_Toxified):
    """Every answer takes another time."""

    _LOOKS = 6
    _SPREAD_MIN = 0.25
    """Of the jitter. Six draws are all so near to each other once in a thousand looks."""

    def __init__(self, ground: Ground, parameters: Jitter) -> None:
        self._spread = parameters.jitter * self._SPREAD_MIN
        figures = {"latency": round(1000 * parameters.delay), "jitter": round(1000 * parameters.jitter)}
        super().__init__(ground, tuple(Toxic("latency", one, figures) for one in _streams("both")))

    def verify(self) -> Seen:
        """Greet several times: the answers take times that differ."""
        found = [self._probe() for _ in range(self._LOOKS)]
        if any(one.end != "answer" for one in found):
            return self._seen(False, f"no answer to a greeting: {next(one for one in found if one.end != 'answer')}")
        seconds = sorted(one.seconds for one in found)
        evidence = f"{self._LOOKS} greetings were answered in {seconds[0]:.3f} to {seconds[-1]:.3f} s"
        return self._seen(seconds[-1] - seconds[0] >= self._spread, f"{evidence}, wanted {self._spread:.3f} s apart")


class NarrowBand(Strict):
    """Parameters of `NetworkNarrowBand`."""

    kilobytes_per_second: Annotated[int, Field(ge=1, le=1000)] = 1
    direction: Direction = "upstream"


class NetworkNarrowBand(_Toxified):
    """Little passes in a second."""

    def __init__(self, ground: Ground, parameters: NarrowBand) -> None:
        self._rate = parameters.kilobytes_per_second
        streams = _streams(parameters.direction)
        super().__init__(ground, tuple(Toxic("bandwidth", one, {"rate": self._rate}) for one in streams))

    def verify(self) -> Seen:
        """Send what needs a second at that rate: the answer to what follows it comes no sooner than half of that."""
        found = self._probe(Greeting(filler_bytes=self._rate * _KB))
        late = found.end == "answer" and found.seconds >= _HALF_SECONDS
        return self._seen(late, f"{found} behind {self._rate} kB, wanted after 1 s")


class Cut(Strict):
    """Parameters of `NetworkCut`."""

    after_bytes: Annotated[int, Field(ge=1, le=4000)] = 600
    """Of each connection. A call of a bridge has some 500 to 2000 bytes."""
    direction: Literal["upstream", "downstream"] = "upstream"


class NetworkCut(_Toxified):
    """Each connection ends in the middle of what is sent."""

    _MORE_BYTES = 200

    def __init__(self, ground: Ground, parameters: Cut) -> None:
        more = parameters.after_bytes + self._MORE_BYTES
        self._greeting = (
            Greeting(filler_bytes=more) if parameters.direction == "upstream" else Greeting(echo_bytes=more)
        )
        toxic = Toxic("limit_data", parameters.direction, {"bytes": parameters.after_bytes})
        super().__init__(ground, (toxic,), reconnect=True)

    def verify(self) -> Seen:
        """Send more than passes, or wait for more: the connection ends without the whole answer."""
        found = self._probe(self._greeting)
        return self._seen(found.end in {"closed", "reset"}, str(found))


class Reset(Strict):
    """Parameters of `NetworkReset`."""

    after: Seconds = 0.0
    """From the first byte of a connection to its reset."""


class NetworkReset(_Toxified):
    """Each connection is reset as soon as something is sent. Toxiproxy does that to connections of the fault alone."""

    def __init__(self, ground: Ground, parameters: Reset) -> None:
        timeout_ms = round(1000 * parameters.after)
        self._within = parameters.after + _WITHIN_SECONDS
        super().__init__(ground, (Toxic("reset_peer", "upstream", {"timeout": timeout_ms}),), reconnect=True)

    def verify(self) -> Seen:
        """Greet: the connection is reset."""
        found = self._probe(within=self._within)
        return self._seen(found.end == "reset", str(found))


class SlowClose(Strict):
    """Parameters of `NetworkSlowClose`."""

    delay: Seconds = 3.0
    """From the end on one side until the other side hears of it."""


class NetworkSlowClose(_Toxified):
    """The collector's end has closed, and the bridge hears of it late: what it sends meanwhile goes nowhere."""

    def __init__(self, ground: Ground, parameters: SlowClose) -> None:
        self._delay = parameters.delay
        figures = {"delay": round(1000 * parameters.delay)}
        super().__init__(ground, tuple(Toxic("slow_close", one, figures) for one in _streams("both")))

    def inject(self) -> str:
        """Put the toxics in place, and end every connection behind them."""
        done = super().inject()
        self._door.cut()
        return f"{done}, connections behind it were cut"

    def verify(self) -> Seen:
        """Greet, say goodbye: the other side's goodbye comes late."""
        found = self._probe(Greeting(leave=True), within=2 * self._delay + _WITHIN_SECONDS)
        late = found.end == "closed" and found.seconds >= 0.8 * self._delay
        return self._seen(late, f"{found} after a goodbye, wanted after {self._delay:g} s")


class HalfOpen(Strict):
    """Parameters of `NetworkHalfOpen`."""

    direction: Direction = "downstream"
    """Downstream: what is sent arrives, and no answer comes."""


class NetworkHalfOpen(_Toxified):
    """One side's data go nowhere, and nothing closes. When it is over, Toxiproxy closes what was under it."""

    _SILENCE_SECONDS = 0.5

    def __init__(self, ground: Ground, parameters: HalfOpen) -> None:
        super().__init__(ground, tuple(Toxic("timeout", one, {"timeout": 0}) for one in _streams(parameters.direction)))

    def verify(self) -> Seen:
        """Greet: no answer, and nothing closes."""
        found = self._probe(within=self._SILENCE_SECONDS)
        return self._seen(found.end == "silence", str(found))
