from __future__ import annotations

import json
import socket
import threading

import pytest

from harness.control import Control, ControlError, answer


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Control(ours, "relay"), theirs


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(ends: tuple[Control, socket.socket]):
    control, other = ends
    with pytest.raises(ControlError, match="did not answer in time"):
        control.ask("first", within=0.05)
    late, asked = threading.Event(), []

    def serve() -> None:
        lines = other.makefile("rb")
        for _ in range(2):
            line = lines.readline()
            asked.append(json.loads(line)["do"])
            other.sendall(answer(line, lambda do, _: {"did": do}))
        late.set()

    thread = threading.Thread(target=serve)
    thread.start()
    assert control.ask("second") == {"did": "second"}
    thread.join()
    assert asked == ["first", "second"]


def test_a_process_that_has_ended_is_said_to_have_ended(ends: tuple[Control, socket.socket]):
    control, other = ends
    other.close()
    with pytest.raises(ControlError, match="relay"):
        control.ask("state")


def test_a_command_that_fails_is_answered_with_its_reason():
    def refuse(do: str, _: object) -> dict[str, object]:
        raise ValueError(f"no {do}")

    assert json.loads(answer(b'{"number": 3, "do": "dance", "with": {}}', refuse)) == {
        "number": 3,
        "error": "ValueError: no dance",
    }
    assert "error" in json.loads(answer(b"not json", refuse))
