"""Lines for people: one each, at the level that was asked for, repeats bounded."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import os
import re
from collections.abc import Iterator

import pytest

from bridge import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in ("hpack", "h2", "opentelemetry")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raises
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def written(form: str, level: str = "INFO") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logs.set_up(level, form, stream)
    return logging.getLogger("bridge.test"), stream


def test_a_line_has_time_level_room_and_message():
    log, stream = written("text")
    log.warning("gauges have ended: %s", "no file")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING bridge\.test: gauges have ended: no file\n", stream.getvalue()
    )


def test_a_line_break_from_outside_makes_no_second_line():
    log, stream = written("text")
    log.info("path %s", "a\nb\r")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_comes_with_its_line(form: str):
    log, stream = written(form)
    try:
        int("x")
    except ValueError:
        log.exception("broke off")
    assert "Traceback" in stream.getvalue()
    assert "ValueError: invalid literal" in stream.getvalue()


def test_a_json_line_is_one_object():
    log, stream = written("json")
    log.error('a "quoted"\nmessage')
    told = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (told["level"], told["logger"], told["message"]) == ("ERROR", "bridge.test", 'a "quoted"\nmessage')


def test_lines_below_the_level_are_not_written():
    log, stream = written("text", "WARNING")
    log.info("no")
    log.warning("yes")
    assert "no" not in stream.getvalue()
    assert "yes" in stream.getvalue()


def test_libraries_do_not_fill_the_log_at_debug():
    _, stream = written("text", "DEBUG")
    logging.getLogger("hpack").debug("a header")
    logging.getLogger("hpack.table").debug("a header")
    assert stream.getvalue() == ""


def test_what_goes_on_is_said_once_a_minute_with_how_often_it_went_unsaid():
    now = [100.0]
    repeats = logs.Repeats(lambda: now[0])
    said = []
    for _ in range(125):
        said.append(repeats.due("it"))
        now[0] += 1
    assert [(index, count) for index, count in enumerate(said) if count is not None] == [(0, 0), (60, 59), (120, 59)]


def test_different_things_do_not_hide_each_other():
    repeats = logs.Repeats(lambda: 0.0)
    assert [repeats.due("a"), repeats.due("b"), repeats.due("a")] == [0, 0, None]


def test_what_is_remembered_is_bounded():
    repeats = logs.Repeats(lambda: 0.0)
    for number in range(100_000):
        repeats.due(number)
    assert len(repeats._said) <= 1000


class Pipe:
    """One that holds 16 KiB; nobody reads it but `read`."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 16_384)
        os.set_blocking(self.reader, False)
        self.log = logging.Logger("bridge.test")  # noqa: LOG001 - one that goes nowhere else
        handler = logs.DescriptorHandler(self.writer)
        handler.setFormatter(logs.TextFormatter())
        self.log.addHandler(handler)

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.reader, 65_536).decode()
        return ""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_lines_that_nobody_reads_are_lost_and_counted_and_never_waited_for(pipe: Pipe):
    os.write(pipe.writer, b"x" * 16_384)
    for number in range(100):
        pipe.log.warning("line %d", number)
    assert pipe.read() == "x" * 16_384
    pipe.log.warning("line 100")
    first, second, _ = pipe.read().split("\n")
    assert first.endswith("WARNING bridge: lines that are missing here, because nobody took them: 100")
    assert second.endswith("bridge.test: line 100")


def test_a_line_of_which_half_was_taken_does_not_run_into_the_next_one(pipe: Pipe):
    pipe.log.warning("y" * 20_000)
    assert pipe.read().count("y") < 20_000
    pipe.log.warning("after it")
    assert [line[-8:] for line in pipe.read().splitlines()] == ["", " them: 1", "after it"]


def test_a_long_line_is_written_whole_where_there_is_room(pipe: Pipe):
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 65_536)
    pipe.log.warning("z" * 20_000)
    assert pipe.read().endswith("z" * 20_000 + "\n")


def test_a_pipe_without_a_reader_costs_the_lines_alone(pipe: Pipe):
    os.close(pipe.reader)
    pipe.log.warning("to nobody")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_shown_in_no_line_and_no_traceback(form: str):
    stream = io.StringIO()
    logs.set_up("INFO", form, stream, secrets={"Bearer hunter4", "hunter4"})
    log = logging.getLogger("bridge.test")
    log.warning("the collector says: %s", "bad token Bearer hunter4, hunter4!")
    try:
        int("hunter4")
    except ValueError:
        log.exception("broke off")
    assert "hunter4" not in stream.getvalue()
    assert "bad token (not shown), (not shown)!" in stream.getvalue()


def test_what_would_move_a_cursor_or_begin_a_line_is_shown_as_an_escape():
    log, stream = written("text")
    log.warning("a\x1b[2Jb\u2028c\x85d\te\u00e9")
    assert stream.getvalue().endswith(": a\\x1b[2Jb\\u2028c\\x85d\te\u00e9\n")
