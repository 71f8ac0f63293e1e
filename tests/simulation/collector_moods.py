"""What a collector, and the way to it, can answer: one function for each mood, pure but for the random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bridge.delivery import Broken
from bridge.otlp import Busy, Delivered, Outcome, Refused, Unreachable
from bridge.outbox import Request

_ASKED_SECONDS = (0.0, -1.0, 0.3, 2.0, 7.0, 45.0, 3600.0, math.inf, math.nan)
_NARROW_BYTES_A_SECOND = 5000


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes of a call that nobody cuts short."""

    outcome: Outcome | Broken
    seconds: float
    """After which it comes; infinite: never."""
    arrives: bool
    """Whether the collector takes what was sent."""


Requests = tuple[Request, ...]


def _quick(random: Random) -> float:
    return random.uniform(0.0005, 0.02)


def _well(random: Random, _requests: Requests) -> Reply:
    return Reply(Delivered(), _quick(random), arrives=True)


def _refused(random: Random, _requests: Requests) -> Reply:
    return Reply(Unreachable("connection refused", may_have_arrived=False), _quick(random), arrives=False)


def _silent(random: Random, _requests: Requests) -> Reply:
    return Reply(Delivered(), math.inf, arrives=random.random() < 0.5)


def _answers_get_lost(random: Random, _requests: Requests) -> Reply:
    return Reply(Unreachable("reset", may_have_arrived=True), _quick(random), arrives=random.random() < 0.7)


def _busy(random: Random, _requests: Requests) -> Reply:
    return Reply(Busy("UNAVAILABLE", None, "UNAVAILABLE"), _quick(random), arrives=False)


def _throttling(random: Random, _requests: Requests) -> Reply:
    asked = random.choice(_ASKED_SECONDS)
    return Reply(Busy("RESOURCE_EXHAUSTED", asked, "RESOURCE_EXHAUSTED"), _quick(random), arrives=False)


def _poisoned(random: Random, requests: Requests) -> Reply:
    if any(request.number % 13 == 5 for request in requests):
        return Reply(Refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"), _quick(random), arrives=False)
    return _well(random, requests)


def _refuses_all(random: Random, _requests: Requests) -> Reply:
    return Reply(Refused("UNIMPLEMENTED", "UNIMPLEMENTED"), _quick(random), arrives=False)


def _our_code_breaks(random: Random, _requests: Requests) -> Reply:
    return Reply(Broken("KeyError: 1"), _quick(random), arrives=random.random() < 0.3)


def _slow(random: Random, _requests: Requests) -> Reply:
    return Reply(Delivered(), random.uniform(0.1, 12.0), arrives=True)


def _partial(random: Random, _requests: Requests) -> Reply:
    return Reply(Delivered(random.randint(0, 9), "too old"), _quick(random), arrives=True)


def _narrow(_random: Random, requests: Requests) -> Reply:
    seconds = 0.001 + sum(request.raw_bytes for request in requests) / _NARROW_BYTES_A_SECOND
    return Reply(Delivered(), seconds, arrives=seconds < 10)


def _anything(random: Random, requests: Requests) -> Reply:
    return random.choice(_PLAIN)(random, requests)


MOODS: dict[str, Callable[[Random, Requests], Reply]] = {
    "well": _well,
    "refused": _refused,
    "silent": _silent,
    "answers-get-lost": _answers_get_lost,
    "busy": _busy,
    "throttling": _throttling,
    "poisoned": _poisoned,
    "refuses-all": _refuses_all,
    "our-code-breaks": _our_code_breaks,
    "slow": _slow,
    "partial": _partial,
    "narrow": _narrow,
    "anything": _anything,
}
_PLAIN = tuple(mood for name, mood in MOODS.items() if name != "anything")
