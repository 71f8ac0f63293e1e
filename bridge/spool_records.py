"""The records of a spool's segments, and the way back from bytes that may be torn or corrupted. No I/O.

`docs/spool.md` has the format. Each record carries its own checksum, and begins with bytes that the next good one can
be found by: damage costs the records that it touched, and those that need a dictionary of which no copy is left.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct

from bridge.outbox import Request

_MAGIC = b"\xf5SPL"
_HEAD = Struct("<4sIBqIII")
_CRC_FROM = 8
_DICTIONARY, _REQUEST = 1, 2
_MARK = Struct("<Iq")

HEAD_BYTES = _HEAD.size
MARK_BYTES = _MARK.size


@dataclass(frozen=True, slots=True)
class Found:
    """What a segment holds."""

    requests: tuple[Request, ...]
    """Numbered by their sequence."""
    damaged: int
    """Stretches that are no whole record, and requests whose dictionary is gone."""
    torn: bool
    """Whether the end is cut off in the middle of a record."""


def dictionary_record(dictionary: bytes) -> bytes:
    """The record of a dictionary, before the first request that needs it."""
    return _record(_DICTIONARY, 0, 0, zlib.crc32(dictionary), dictionary)


def request_record(request: Request, sequence: int) -> bytes:
    """The record of a request."""
    dictionary = zlib.crc32(request.dictionary) if request.dictionary else 0
    return _record(_REQUEST, sequence, request.raw_bytes, dictionary, request.body)


def mark(sequence: int) -> bytes:
    """The content of the file that says how far everything is gone; always of the same length."""
    return _MARK.pack(zlib.crc32(_MARK.pack(0, sequence)), sequence)


def marked(data: bytes) -> int | None:
    """The sequence that `mark` was made of; None where these bytes are no whole one."""
    if len(data) != _MARK.size:
        return None
    sequence: int = _MARK.unpack(data)[1]
    return sequence if mark(sequence) == data else None


def scan(data: bytes) -> Found:
    """Find every whole record, whatever stands between them. Never raises."""
    records: list[tuple[int, int, int, bytes]] = []
    dictionaries = {0: b""}
    damaged, torn, position = 0, False, 0
    while position < len(data):
        end = _end_of_record(data, position)
        if end is None:
            following = data.find(_MAGIC, position + 1)
            if following < 0:
                torn = _is_torn(data, position)
                damaged += not torn
                break
            damaged += 1
            position = following
            continue
        _, _, kind, sequence, raw_bytes, dictionary, _ = _HEAD.unpack_from(data, position)
        payload = data[position + HEAD_BYTES : end]
        position = end
        if kind == _DICTIONARY:
            dictionaries[dictionary] = payload
        elif kind == _REQUEST:
            records.append((sequence, raw_bytes, dictionary, payload))
        else:
            damaged += 1
    # Only now: where a dictionary is damaged, a later copy of it serves as well.
    requests = tuple(
        Request(sequence, payload, raw_bytes, dictionaries[dictionary])
        for sequence, raw_bytes, dictionary, payload in records
        if dictionary in dictionaries
    )
    return Found(requests, damaged + len(records) - len(requests), torn)


def _record(kind: int, sequence: int, raw_bytes: int, dictionary: int, payload: bytes) -> bytes:
    rest = _HEAD.pack(_MAGIC, 0, kind, sequence, raw_bytes, dictionary, len(payload))[_CRC_FROM:]
    return _MAGIC + zlib.crc32(payload, zlib.crc32(rest)).to_bytes(4, "little") + rest + payload


def _end_of_record(data: bytes, position: int) -> int | None:
    """Where the whole record that begins here ends; None where there is none."""
    if len(data) - position < HEAD_BYTES or not data.startswith(_MAGIC, position):
        return None
    length: int
    _, crc, _, _, _, _, length = _HEAD.unpack_from(data, position)
    end = position + HEAD_BYTES + length
    if end > len(data) or zlib.crc32(data[position + _CRC_FROM : end]) != crc:
        return None
    return end


def _is_torn(data: bytes, position: int) -> bool:
    """Whether a record begins here that is longer than what is left."""
    left = len(data) - position
    if left < HEAD_BYTES:
        return _MAGIC.startswith(data[position : position + len(_MAGIC)])
    return data.startswith(_MAGIC, position) and HEAD_BYTES + _HEAD.unpack_from(data, position)[-1] > left
