from __future__ import annotations

import tracemalloc

import pytest

from bridge.outbox import (
    DROP_REASONS,
    QUEUE_FULL,
    REFUSED,
    REQUEST_OVERHEAD_BYTES,
    SHUTDOWN,
    TOO_LARGE,
    Outbox,
    Request,
)


def request(number: int, body_bytes: int = 10, raw_bytes: int = 100) -> Request:
    return Request(number, bytes(body_bytes), raw_bytes)


def outbox_of(count: int, *, count_max: int = 100, bytes_max: int = 100_000) -> Outbox:
    outbox = Outbox(count_max, bytes_max)
    for number in range(1, count + 1):
        outbox.put(request(number))
    return outbox


def drain(outbox: Outbox) -> list[int]:
    return [request.number for request in outbox.take(1000, 10**9)] if outbox.waits else []


def test_requests_leave_in_the_order_in_which_they_came():
    assert drain(outbox_of(5)) == [1, 2, 3, 4, 5]


def test_the_oldest_makes_room_when_the_count_is_reached_and_is_counted():
    outbox = outbox_of(7, count_max=3)
    assert (len(outbox), outbox.dropped_counts[QUEUE_FULL]) == (3, 4)
    assert drain(outbox) == [5, 6, 7]


def test_the_oldest_make_room_when_the_bytes_are_reached_as_many_as_it_takes():
    outbox = outbox_of(4, bytes_max=4 * (REQUEST_OVERHEAD_BYTES + 10))
    assert outbox.put(request(5, body_bytes=2 * (REQUEST_OVERHEAD_BYTES + 10))) == 3
    assert outbox.cost_bytes <= outbox.bytes_max
    assert drain(outbox) == [4, 5]


def test_a_request_larger_than_the_whole_queue_goes_alone():
    outbox = outbox_of(2, bytes_max=1000)
    assert outbox.put(request(3, body_bytes=1001)) == 0
    assert (outbox.dropped_counts[TOO_LARGE], drain(outbox)) == (1, [1, 2])


def test_what_is_in_flight_is_never_dropped_to_make_room():
    outbox = outbox_of(3, count_max=3)
    outbox.take(2, 10**6)
    outbox.put(request(4))
    outbox.put(request(5))
    assert [flying.number for flying in outbox.in_flight] == [1, 2]
    assert (len(outbox), outbox.dropped_counts[QUEUE_FULL]) == (3, 2)
    outbox.put_back()
    assert drain(outbox) == [1, 2, 5]


def test_where_all_are_in_flight_the_newcomer_is_dropped():
    outbox = outbox_of(2, count_max=2)
    outbox.take(2, 10**6)
    outbox.put(request(3))
    assert (len(outbox), outbox.dropped_counts[QUEUE_FULL]) == (2, 1)
    outbox.put_back()
    assert drain(outbox) == [1, 2]


def test_a_run_ends_before_the_byte_limit_of_a_call():
    outbox = outbox_of(5)
    assert [taken.number for taken in outbox.take(100, 399)] == [1, 2, 3]


def test_a_run_fills_the_byte_limit_of_a_call():
    assert len(outbox_of(5).take(100, 400)) == 4


def test_a_request_larger_than_a_call_leaves_alone():
    assert len(outbox_of(5).take(100, 1)) == 1


def test_what_was_put_back_is_the_oldest_again_in_its_order():
    outbox = outbox_of(5)
    outbox.take(3, 10**6)
    outbox.put_back()
    assert drain(outbox) == [1, 2, 3, 4, 5]


def test_close_counts_all_that_is_left_and_all_that_still_comes():
    outbox = outbox_of(5)
    outbox.take(2, 10**6)
    outbox.close()
    assert outbox.put(request(6)) == 0
    assert (len(outbox), outbox.cost_bytes, outbox.dropped_counts[SHUTDOWN]) == (0, 0, 6)


def test_every_request_is_delivered_dropped_or_here():
    outbox = outbox_of(9, count_max=6)
    outbox.take(2, 10**6)
    outbox.acknowledge()
    outbox.drop_oldest(REFUSED)
    assert outbox.put_count == outbox.delivered_count + sum(outbox.dropped_counts.values()) + len(outbox) == 9
    assert outbox.dropped_counts == dict.fromkeys(DROP_REASONS, 0) | {QUEUE_FULL: 3, REFUSED: 1}


def test_memory_is_given_back_with_what_leaves():
    outbox = outbox_of(9)
    while outbox.waits:
        outbox.take(4, 10**6)
        outbox.acknowledge()
    assert outbox.cost_bytes == 0


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 0), (-1, 5)])
def test_a_bound_that_lets_nothing_in_is_an_error(count: int, size: int):
    with pytest.raises(ValueError, match="at least one"):
        Outbox(count, size)


def test_the_overhead_of_a_request_covers_what_its_objects_take():
    count = 2000
    outbox = Outbox(count, 10**9)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            outbox.put(Request(1000 + number, bytes(200 + number % 90), 2000 + number % 300))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.7 * outbox.cost_bytes < after - before <= outbox.cost_bytes


def test_what_an_earlier_run_left_behind_is_the_oldest_in_its_order():
    outbox = outbox_of(2)
    outbox.restore([request(-1), request(0)])
    assert (outbox.put_count, len(outbox), outbox.cost_bytes) == (4, 4, 4 * request(1).cost_bytes)
    assert drain(outbox) == [-1, 0, 1, 2]


def test_what_was_left_behind_makes_room_where_it_is_too_much():
    outbox = outbox_of(2, count_max=3)
    outbox.restore([request(-1), request(0)])
    assert outbox.dropped_counts[QUEUE_FULL] == 1
    assert drain(outbox) == [0, 1, 2]


def test_the_oldest_may_be_in_flight():
    outbox = outbox_of(0)
    assert outbox.oldest() is None
    for number in (1, 2, 3):
        outbox.put(request(number))
    assert outbox.oldest() == request(1)
    outbox.take(1, 10**6)
    assert outbox.oldest() == request(1)
    outbox.acknowledge()
    assert outbox.oldest() == request(2)


@pytest.mark.parametrize("newer_than", [0, 1, 2, 3, 4, 5])
def test_what_is_newer_than_a_number_is_found_in_flight_and_waiting_in_order(newer_than: int):
    outbox = outbox_of(4)
    outbox.take(2, 10**6)
    assert [one.number for one in outbox.newer_than(newer_than)] == list(range(newer_than + 1, 5))


def test_close_leaves_to_the_next_start_what_is_on_disk_and_counts_the_rest_as_lost():
    outbox = outbox_of(5)
    outbox.take(2, 10**6)
    outbox.close(spooled={2, 3, 99})
    assert (outbox.spooled_count, outbox.dropped_counts[SHUTDOWN], len(outbox), outbox.cost_bytes) == (2, 3, 0, 0)


def test_a_request_that_fits_exactly_is_taken():
    outbox = Outbox(1, REQUEST_OVERHEAD_BYTES + 10)
    assert outbox.put(request(1, body_bytes=10)) == 0
    assert (len(outbox), outbox.cost_bytes, sum(outbox.dropped_counts.values())) == (1, outbox.bytes_max, 0)


def test_the_smallest_bounds_are_one_request_and_one_byte():
    assert (Outbox(1, 1).count_max, Outbox(1, 1).bytes_max) == (1, 1)
