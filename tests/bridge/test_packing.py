from __future__ import annotations

import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.outbox import Request
from bridge.packing import DICTIONARY_BYTES_MAX, RENEW_COST_BYTES_MAX, Packing, unpack


def like(seed: int, size: int = 2000) -> bytes:
    """Bytes that resemble each other from seed to seed, as requests do: fixed text, changing numbers."""
    fixed = Random(1).randbytes(size)  # noqa: S311 - a test's bytes
    numbers = Random(seed).randbytes(8 * (size // 100))  # noqa: S311 - as above
    return b"".join(fixed[at : at + 92] + numbers[at // 100 * 8 :][:8] for at in range(0, size, 100))


@given(st.lists(st.binary(max_size=5000), max_size=20))
def test_whatever_is_packed_comes_out_again(bodies: list[bytes]):
    packing = Packing()
    packed = [packing.pack(number, body) for number, body in enumerate(bodies)]
    assert [unpack(request) for request in packed] == bodies
    assert [request.raw_bytes for request in packed] == [len(body) for body in bodies]


@pytest.mark.parametrize("size", [0, 1, 2000, 31_000, 70_000, 1_000_000])
def test_every_size_comes_out_again(size: int):
    packing = Packing()
    bodies = [like(seed, size) for seed in range(3)]
    assert [unpack(packing.pack(seed, body)) for seed, body in enumerate(bodies)] == bodies


@pytest.mark.parametrize("size", [2000, 8000, 20_000, 30_000])  # as far back as that its like is to be found
def test_a_request_that_resembles_the_one_before_it_becomes_small(size: int):
    packing = Packing()
    first, second = (packing.pack(seed, like(seed, size)) for seed in range(2))
    assert len(second.body) < 0.15 * len(first.body)


def test_requests_that_stay_alike_share_one_dictionary():
    packing = Packing()
    packed = [packing.pack(seed, like(seed)) for seed in range(500)]
    assert len({id(request.dictionary) for request in packed[1:]}) == 1


def test_the_dictionary_is_renewed_when_requests_change_for_good():
    packing = Packing()
    for seed in range(500):
        packing.pack(seed, like(seed))
    for seed in range(3):
        last = packing.pack(seed, like(seed)[::-1])
    assert len(last.body) < 0.2 * last.raw_bytes


def test_dictionaries_cost_no_more_than_their_share_where_nothing_resembles_anything():
    packing, random = Packing(), Random(1)  # noqa: S311 - a test's bytes
    packed = [packing.pack(number, random.randbytes(3000)) for number in range(1000)]
    dictionaries = {id(request.dictionary): len(request.dictionary) for request in packed}
    assert sum(dictionaries.values()) <= 1000 * RENEW_COST_BYTES_MAX + 2 * 3000


def test_a_dictionary_is_no_longer_than_zlib_can_look_back():
    packing = Packing()
    packing.pack(1, bytes(1_000_000))
    assert len(packing.pack(2, b"x").dictionary) == DICTIONARY_BYTES_MAX == 2**15


@pytest.mark.parametrize("keep", [0, 5, 50])
def test_a_body_that_is_cut_off_is_an_error(keep: int):
    packing = Packing()
    packing.pack(1, like(1))
    request = packing.pack(2, like(2))
    with pytest.raises(zlib.error):
        unpack(Request(2, request.body[:keep], request.raw_bytes, request.dictionary))


def test_a_wrong_dictionary_is_an_error():
    packing = Packing()
    packing.pack(1, like(1))
    request = packing.pack(2, like(2))
    with pytest.raises(zlib.error):
        unpack(Request(2, request.body, request.raw_bytes, b"another"))


@pytest.mark.parametrize("size", [0, 1, 2000, 70_000, 1_000_000])
def test_what_is_wrapped_comes_out_again_and_is_hardly_longer(size: int):
    packing = Packing()
    request = packing.wrap(7, like(1, size))
    assert unpack(request) == like(1, size)
    assert (request.number, request.raw_bytes, request.dictionary) == (7, len(like(1, size)), b"")
    assert len(request.body) <= request.raw_bytes * 1.01 + 20


def test_wrapping_leaves_the_dictionary_as_it_was():
    packing = Packing()
    packing.pack(1, like(1))
    packing.wrap(2, like(2)[::-1])
    assert len(packing.pack(3, like(3)).body) < 0.15 * 2000
