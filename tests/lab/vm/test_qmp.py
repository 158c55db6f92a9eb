"""QEMU's monitor protocol, against a monitor that answers, refuses, says other things and hangs up."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor import DONE, Monitor

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm.qmp import Qmp, QmpError, tell_monitor

HANG_UP: dict[str, object] = {}


def gone(device: str) -> dict[str, object]:
    """The event that a device is out."""
    return {"event": "DEVICE_DELETED", "data": {"device": device}}


def test_a_command_is_answered(tmp_path: Path) -> None:
    """Events before the answer are not the answer."""
    with Monitor(tmp_path / "qmp", lambda _: [gone("x"), {"return": 5}]), Qmp(tmp_path / "qmp") as ask:
        assert 5 == ask("query-status")


def test_arguments_are_passed_on(tmp_path: Path) -> None:
    """As they are written."""
    with Monitor(tmp_path / "qmp", lambda _: [DONE]) as monitor, Qmp(tmp_path / "qmp") as ask:
        ask("device_del", id="x")

    assert [{"execute": "device_del", "arguments": {"id": "x"}}] == monitor.heard


@pytest.mark.parametrize("answer", [{"error": {"desc": "no such device"}}, HANG_UP])
def test_a_refusal_is_an_error(tmp_path: Path, answer: dict[str, object]) -> None:
    """And so is a QEMU that ends."""
    with Monitor(tmp_path / "qmp", lambda _: [answer]), Qmp(tmp_path / "qmp") as ask, pytest.raises(QmpError):
        ask("device_del", id="x")


@pytest.mark.parametrize("answers", [[gone("x"), DONE], [DONE, gone("y"), gone("x")]])
def test_an_event_is_waited_for(tmp_path: Path, answers: list[dict[str, object]]) -> None:
    """Whether it comes before the answer or later, behind others."""
    with Monitor(tmp_path / "qmp", lambda _: answers), Qmp(tmp_path / "qmp") as ask:
        ask("device_del", id="x")
        ask.wait_for("DEVICE_DELETED", "x", 5)


def test_an_event_that_does_not_come(tmp_path: Path) -> None:
    """That of another device is not it."""
    with Monitor(tmp_path / "qmp", lambda _: [DONE, gone("y")]), Qmp(tmp_path / "qmp") as ask:
        ask("device_del", id="x")
        with pytest.raises(TimeoutError):
            ask.wait_for("DEVICE_DELETED", "x", 0.2)


def test_no_event_comes_from_a_qemu_that_is_gone(tmp_path: Path) -> None:
    """It is not waited for."""
    with Monitor(tmp_path / "qmp", lambda _: [DONE, HANG_UP]), Qmp(tmp_path / "qmp") as ask:
        ask("device_del", id="x")
        with pytest.raises(QmpError, match="disconnected"):
            ask.wait_for("DEVICE_DELETED", "x", 30)


def test_a_line_for_humans(tmp_path: Path) -> None:
    """Its answer is text."""
    with Monitor(tmp_path / "qmp", lambda _: [{"return": "on\n"}]) as monitor:
        assert "on\n" == tell_monitor(tmp_path / "qmp", "info status")

    assert "info status" == monitor.heard[0]["arguments"]["command-line"]


def test_nobody_listens(tmp_path: Path) -> None:
    """The guest is lost, and the message has the command."""
    with pytest.raises(LostGuest, match="did not accept `info`"):
        tell_monitor(tmp_path / "qmp", "info status")
