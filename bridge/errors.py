"""Everything of the bridge's own that can go wrong, as one drawn tree.

::

    BridgeError
    ├── SettingsError           settings are wrong; all problems together
    ├── MetricsFileError        the metrics file gave no bytes
    │   ├── FileMissing         nothing is there (yet, or any more)
    │   ├── FileUnreadable      something is there, but the system refuses it
    │   ├── NotARegularFile     a FIFO, a folder, a device or a socket stands in its place
    │   ├── FileTooLarge        more bytes than the bound
    │   └── FileChanging        a writer was at work during each of a few looks
    ├── SnapshotError           the bytes are no snapshot
    ├── SpoolError              the disk refuses what the spool needs
    └── TransportError          the call did not end in an answer
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class BridgeError(Exception):
    """The root: catching it catches what the bridge raises on purpose, and nothing else."""


class Problem(NamedTuple):
    """One setting that is wrong.

    Attributes:
        name: the environment variable.
        value: what it holds, as text.
        allowed: what it may hold, as the end of a sentence.
    """

    name: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: {self.allowed}"


class SettingsError(BridgeError):
    """Settings are wrong.

    Attributes:
        problems: every one of them, never only the first.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class MetricsFileError(BridgeError):
    """The metrics file gave no bytes. The next look may well succeed."""

    kind = "unreadable"
    """A short stable name, for counting."""


class FileMissing(MetricsFileError):  # noqa: N818 - the family's name ends in Error; its members say what is the matter
    """Nothing is at the path, or its folder is not there."""

    kind = "missing"


class FileUnreadable(MetricsFileError):  # noqa: N818 - as FileMissing
    """The system refuses to open or read it; the message has the system's own reason."""


class NotARegularFile(MetricsFileError):  # noqa: N818 - as FileMissing
    """A FIFO, a folder, a device or a socket. It is not opened at all."""

    kind = "not-a-file"


class FileTooLarge(MetricsFileError):  # noqa: N818 - as FileMissing
    """More bytes than the bound. They are not read."""

    kind = "too-large"


class FileChanging(MetricsFileError):  # noqa: N818 - as FileMissing
    """It was written to while it was read, each time of a few."""

    kind = "changing"


class SnapshotError(BridgeError):
    """The bytes are no snapshot: not JSON, not UTF-8, no object.

    Attributes:
        reason: what is the matter, as a phrase for a person.
        position: the byte or character where it shows (as the reason says), from 0; None where there is no such place.
    """

    kind = "no-snapshot"
    """As `MetricsFileError.kind`."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at position {position}")
        self.reason = reason
        self.position = position


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


class SpoolError(BridgeError):
    """The disk refuses what the spool needs now; a later try may well succeed. What waits is still in memory."""
