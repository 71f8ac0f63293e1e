"""What ``--bridge`` means on a rig whose bridge runs in a container: an image, or a command inside the bridge's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.rigs.contract import RigError

IMAGE = "ml-metrics-bridge:dev"
"""The bridge's own, as docker-compose.yml calls it."""
_PREFIX = "image:"


@dataclass(frozen=True, slots=True)
class BridgeImage:
    """What is to run in the bridge's container."""

    image: str
    entrypoint: tuple[str, ...] | None
    """In place of the image's own; None: that."""
    arguments: tuple[str, ...]
    """After the entrypoint; none: with the image's own entrypoint also its own arguments."""


def parse(command: Sequence[str]) -> BridgeImage:
    """Read a bridge's command line.

    ``image:NAME[:TAG] [ARGUMENT]...`` is an image with its own entrypoint; anything else is a command inside the
    bridge's image.

    Raises:
        RigError: no image is named.
    """
    first, *rest = command
    if not first.startswith(_PREFIX):
        return BridgeImage(IMAGE, tuple(command), ())
    name = first.removeprefix(_PREFIX)
    if not name:
        raise RigError("it names no image: write for example image:my-bridge:1.0")
    return BridgeImage(name, None, tuple(rest))
