"""Everything of the bridge's own that can go wrong, as one drawn tree.

::

    BridgeError
    └── TransportError      the call did not end in an answer
"""

from __future__ import annotations


class BridgeError(Exception):
    """The root: catching it catches what the bridge raises on purpose, and nothing else."""


class TransportError(BridgeError):
    """A call ended without an answer from the collector.

    Attributes:
        reason: one sentence for a person.
        may_have_arrived: False only where the collector certainly did not process the request, so that sending it again
            cannot deliver it twice.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_arrived = may_have_arrived
