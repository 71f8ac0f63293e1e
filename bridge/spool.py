"""What waits while delivery fails, on disk: appended in segments, bounded, found again after a kill.

It is told what is new and what is gone, and knows neither time nor thread nor collector; `bridge.spooling` drives it.
A segment whose requests are all gone is removed; how far the oldest one is gone stands in a small file beside, written
in place. So a disk that is full can still be told what was delivered.

Requests are known by their numbers. On disk they have sequences, which go on from run to run: number plus an offset.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from bridge import spool_records
from bridge.errors import SpoolError
from bridge.outbox import Request

_SEGMENT = re.compile(r"(0[0-9]{11})\.segment")  # ours never get beyond: what somebody names higher is no segment
_MARK = "acknowledged"
_SEGMENTS_PER_BOUND = 16
_SEGMENT_BYTES_MIN, _SEGMENT_BYTES_MAX = 4096, 1024 * 1024
_CHUNK_BYTES = 64 * 1024

_NEVER = -(1 << 62)
_GAP = 1 << 32
"""Added to the sequences where a segment cannot be read: what is written now must come after what it holds."""


class Folder(Protocol):
    """What `bridge.spool_folder.SpoolFolder` does. Everything but release and close raises SpoolError."""

    def open(self) -> None: ...  # noqa: D102 - see there, as all of these
    def close(self) -> None: ...  # noqa: D102
    def names(self) -> list[str]: ...  # noqa: D102
    def read(self, name: str, size_max_bytes: int) -> bytes: ...  # noqa: D102
    def create(self, name: str, *, exclusive: bool = True) -> int: ...  # noqa: D102
    def write(self, descriptor: int, data: bytes, offset: int) -> int: ...  # noqa: D102
    def truncate(self, descriptor: int, size_bytes: int) -> None: ...  # noqa: D102
    def release(self, descriptor: int) -> None: ...  # noqa: D102
    def remove(self, name: str) -> None: ...  # noqa: D102
    def has(self, names: Iterable[str]) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """What happened so far, and what is there. Counts are of requests where nothing else is said."""

    written: int
    found: int
    """Left behind by an earlier run, whole."""
    damaged: int
    """Records of an earlier run, or whole files, that could not be read."""
    torn: int
    """Segments of an earlier run whose last record was not finished, as a kill leaves it."""
    evicted: int
    """Removed from disk, or never put there, to stay within the bound; they went on waiting in memory."""
    count: int
    """On disk and not gone."""
    segments: int
    """Files that hold them."""
    bytes: int
    bytes_max: int
    failures: int = 0
    """Times that the disk refused; `bridge.spooling` counts them."""


class _Segment:
    def __init__(self, name: str) -> None:
        self.name = name
        self.size_bytes = 0
        self.numbers = array("q")

    def count_after(self, number: int) -> int:
        return len(self.numbers) - bisect_right(self.numbers, number)


class Spool:
    """See the module. Used by one thread.

    Args:
        folder: where it is kept.
        size_max_bytes: of all segments together.
    """

    _scan = staticmethod(spool_records.scan)

    def __init__(self, folder: Folder, size_max_bytes: int) -> None:
        self._folder = folder
        self.size_max_bytes = size_max_bytes
        share = size_max_bytes // _SEGMENTS_PER_BOUND
        self._segment_bytes = min(max(share, _SEGMENT_BYTES_MIN), _SEGMENT_BYTES_MAX)
        self._segments: deque[_Segment] = deque()
        self._active = self._mark = -1  # descriptors
        self._dictionaries: dict[bytes, int] = {}  # those in the active segment, and where they stand
        self._stale_mark = False  # left behind without a segment
        self._next_name = 1
        self._offset = 0
        self._acknowledged_through = _NEVER
        self._was_open = False
        self._written = self._found = self._damaged = self._torn = 0
        self.evicted = 0
        """As in `SpoolStats`."""
        self.written_through = 0
        """Everything up to this number has been on disk, or is not to be."""
        self.is_open = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on disk."""
        return not self._segments

    def open(self) -> Sequence[Request]:
        """Take the folder, and find what an earlier run left behind: in order, numbered up to 0.

        Where it was open before, what is there now is somebody else's, and left for the next start.

        Raises:
            SpoolError: the folder cannot be used, now.
        """
        self._folder.open()
        try:
            requests = self._load()
        except SpoolError:
            self._folder.close()
            raise
        self.is_open = True
        if self._was_open:
            self._segments.clear()
            self._offset += _GAP
            return ()
        self._was_open = True
        self._found += len(requests)
        if self._stale_mark:
            with suppress(SpoolError):  # it says nothing any more
                self._remove_mark()
        return requests

    def look(self) -> None:
        """See whether all that was written is still there; if not, it is to be written again.

        Raises:
            SpoolError: it is not, and the folder is closed; or nobody can tell, now.
        """
        if not self._segments:
            return
        names = [segment.name for segment in self._segments]
        if self._folder.has(names if self._mark < 0 else [*names, _MARK]):
            return
        for name in names:
            with suppress(SpoolError):  # what is left of it would stand beside what is written again
                self._folder.remove(name)
        self._segments.clear()
        self.written_through = self._acknowledged_through = _NEVER
        with suppress(SpoolError):
            self.close()
        raise SpoolError("was emptied or replaced by somebody else")

    def write(self, requests: Sequence[Request]) -> None:
        """Append these, which are newer than all before.

        Raises:
            SpoolError: the disk refuses; `written_through` says how far it went.
        """
        position = 0
        while position < len(requests):
            position += self._write_some(islice(requests, position, None))

    def acknowledge(self, through: int) -> None:
        """Everything up to this number is gone from the queue.

        Raises:
            SpoolError: the disk refuses; to be tried again.
        """
        if not self._segments or through == self._acknowledged_through:
            return
        while self._segments and self._segments[0].count_after(through) == 0:
            self._remove_oldest()
        if not self._segments:
            self._remove_mark()
        elif self._segments[0].numbers[0] <= through:
            self._write_mark(through + self._offset)
        self._acknowledged_through = through

    def kept(self) -> frozenset[int]:
        """The numbers of all that is on disk and not gone; for any thread."""
        segments = tuple(self._segments)  # as in stats
        return frozenset(
            number for segment in segments for number in segment.numbers if number > self._acknowledged_through
        )

    def close(self) -> None:
        """Give the folder free."""
        self._seal()
        self._release_mark()
        if self.is_open:
            self._folder.close()
        self.is_open = False

    def stats(self) -> SpoolStats:
        """All figures of this moment; for any thread."""
        segments = tuple(self._segments)  # all at once, while the spool's thread may add one
        return SpoolStats(
            written=self._written,
            found=self._found,
            damaged=self._damaged,
            torn=self._torn,
            evicted=self.evicted,
            count=sum(segment.count_after(self._acknowledged_through) for segment in segments),
            segments=len(segments),
            bytes=sum(segment.size_bytes for segment in segments),
            bytes_max=self.size_max_bytes,
        )

    # Reading, at the start.

    def _load(self) -> Sequence[Request]:
        names = self._folder.names()
        newest = self._load_mark() if _MARK in names else 0
        requests: list[Request] = []
        unread = 0
        for name in names:
            match = _SEGMENT.fullmatch(name)
            if match is None:
                continue
            self._next_name = max(self._next_name, int(match[1]) + 1)
            try:
                data = self._folder.read(name, self.size_max_bytes)
            except SpoolError:
                self._damaged += 1
                unread += 1
                continue
            found = self._scan(data)
            self._damaged += found.damaged
            self._torn += found.torn
            segment = _Segment(name)
            segment.size_bytes = len(data)
            for request in found.requests:
                if request.number > newest:
                    newest = request.number
                    segment.numbers.append(newest)
                    requests.append(request)
            self._segments.append(segment)
        self._stale_mark = _MARK in names and not self._segments and not unread
        newest += unread * _GAP
        self._offset = newest
        for segment in self._segments:
            segment.numbers = array("q", (sequence - newest for sequence in segment.numbers))
        return [
            Request(request.number - newest, request.body, request.raw_bytes, request.dictionary)
            for request in requests
        ]

    def _load_mark(self) -> int:
        try:
            data = self._folder.read(_MARK, 2 * spool_records.MARK_BYTES)
            # A short one was made on a full disk, or killed before it was written: nothing is known to be gone.
            sequence = spool_records.marked(data) if len(data) >= spool_records.MARK_BYTES else 0
        except SpoolError:
            sequence = None
        if sequence is None:
            self._damaged += 1
        return sequence or 0

    # Writing.

    def _write_some(self, requests: Iterable[Request]) -> int:
        """Write a chunk into the active segment; how many requests that were."""
        if self._active < 0 or self._segments[-1].size_bytes >= self._segment_bytes:
            self._begin_segment()
        data = b""
        ends: list[tuple[int, int]] = []
        for request in requests:
            record = self._record(request)
            if len(record) > self.size_max_bytes // 2 and not ends:
                self.evicted += 1
                self.written_through = request.number
                return 1
            if ends and len(data) + len(record) > min(_CHUNK_BYTES, self._segment_bytes):
                break
            data += record
            ends.append((len(data), request.number))
            if self._needs_dictionary(request):
                self._dictionaries[request.dictionary] = self._segments[-1].size_bytes
        try:
            self._make_room(len(data))
            self._append(data, ends)
        except SpoolError:
            self._dictionaries.clear()  # nobody knows which of them went in
            raise
        return len(ends)

    def _record(self, request: Request) -> bytes:
        record = spool_records.request_record(request, request.number + self._offset)
        if not self._needs_dictionary(request):
            return record
        return spool_records.dictionary_record(request.dictionary) + record

    def _needs_dictionary(self, request: Request) -> bool:
        """Whether it is to be written, once more after some bytes: so damage to one does not cost a whole segment."""
        at = self._dictionaries.get(request.dictionary, -_CHUNK_BYTES)
        return bool(request.dictionary) and self._segments[-1].size_bytes - at >= _CHUNK_BYTES

    def _append(self, data: bytes, ends: Sequence[tuple[int, int]]) -> None:
        segment = self._segments[-1]
        written = 0
        try:
            while written < len(data):
                written += self._folder.write(self._active, data[written:], segment.size_bytes + written)
        except SpoolError:
            whole = [(end, number) for end, number in ends if end <= written]
            self._note(segment, whole)
            self._mend(segment, written - (whole[-1][0] if whole else 0))
            raise
        self._note(segment, ends)

    def _note(self, segment: _Segment, ends: Sequence[tuple[int, int]]) -> None:
        if ends:
            segment.numbers.extend(number for _, number in ends)
            segment.size_bytes += ends[-1][0]
            self.written_through = ends[-1][1]
            self._written += len(ends)

    def _mend(self, segment: _Segment, torn_bytes: int) -> None:
        """Cut off a record that went in half; where that fails, or nothing is in the segment, go on in another."""
        try:
            self._folder.truncate(self._active, segment.size_bytes)
            if segment.numbers:
                return
            self._seal()
            self._folder.remove(segment.name)
            self._segments.pop()
        except SpoolError:
            segment.size_bytes += torn_bytes
            self._seal()

    def _begin_segment(self) -> None:
        self._seal()
        name = f"{self._next_name:012d}.segment"
        self._active = self._folder.create(name)
        self._next_name += 1
        self._segments.append(_Segment(name))

    def _seal(self) -> None:
        descriptor, self._active = self._active, -1
        self._dictionaries.clear()
        if descriptor >= 0:
            self._folder.release(descriptor)

    # Removing.

    def _bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    def _make_room(self, size_bytes: int) -> None:
        while len(self._segments) > 1 and self._bytes() + size_bytes > self.size_max_bytes:
            live = self._segments[0].count_after(self._acknowledged_through)
            self._remove_oldest()
            self.evicted += live

    def _remove_oldest(self) -> None:
        if len(self._segments) == 1:
            self._seal()
        self._folder.remove(self._segments[0].name)
        self._segments.popleft()

    def _write_mark(self, sequence: int) -> None:
        if self._mark < 0:
            self._mark = self._folder.create(_MARK, exclusive=False)
        data = spool_records.mark(sequence)
        if self._folder.write(self._mark, data, 0) < len(data):
            raise SpoolError("cannot be written to: a short write")

    def _remove_mark(self) -> None:
        self._release_mark()
        self._folder.remove(_MARK)

    def _release_mark(self) -> None:
        descriptor, self._mark = self._mark, -1
        if descriptor >= 0:
            self._folder.release(descriptor)
