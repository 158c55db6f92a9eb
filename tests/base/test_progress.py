"""Progress: a line that comes late and goes, plain lines without a terminal, nothing on the output."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
from terminals import Clock, Screen

from pfnlab.base import progress
from pfnlab.base.progress import beating, say, silent, waited, working


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal on which a line that changes appears at once."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "APPEARS", 0.0)
    return Screen()


def shown(work: progress.Work) -> bool:
    """Whether its line appears, within what a slow machine may take."""
    end = time.monotonic() + 60
    while not work.is_shown and time.monotonic() < end:
        time.sleep(0.01)
    return work.is_shown


def test_a_line_appears_on_a_terminal_and_goes(screen: Screen) -> None:
    """Nothing stays of it."""
    with redirect_stderr(screen), working("searching far", 3) as work:
        assert shown(work)
        work.advance()
        work.show("searching farther")

    assert "searching far" in screen.getvalue()
    assert not work.is_shown
    # Its last act is to erase the line.
    assert screen.getvalue().rstrip().endswith("\x1b[2K")


def test_what_is_said_meanwhile_stays(screen: Screen) -> None:
    """Above the line that changes."""
    with redirect_stderr(screen), working("searching") as work:
        assert shown(work)
        say("found [bold]one[/bold]")

    assert "found [bold]one[/bold]" in screen.getvalue()


def test_one_line_changes_at_a_time(screen: Screen) -> None:
    """Work within work shows nothing of its own while the outer line is there."""
    with redirect_stderr(screen), working("outer") as outer:
        assert shown(outer)
        with working("inner") as inner:
            time.sleep(0.3)
            assert not inner.is_shown


def test_what_ends_early_is_not_shown(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick work leaves a terminal alone."""
    monkeypatch.setattr(progress, "APPEARS", 600.0)

    with redirect_stderr(screen), working("quick"):
        pass

    assert "" == screen.getvalue()


def test_elsewhere_there_are_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with how far the work is, and none on standard output."""
    monkeypatch.setattr(progress, "EVERY", 0.0)

    with working("2 programs on model:7.2", 2) as work:
        say("booting")
        work.advance()

    assert ("", "booting\n2 programs on model:7.2: 1 of 2, 50 %\n") == capsys.readouterr()


def test_work_that_learns_late_how_long_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on with a percentage, without a number before it is known."""
    monkeypatch.setattr(progress, "EVERY", 0.0)

    with working("fetching") as work:
        work.advance()
        work.expect(4)
        work.reach(3)

    assert [
        "fetching",
        "fetching: 1 of 4, 25 %",
        "fetching: 3 of 4, 75 %",
    ] == capsys.readouterr().err.splitlines()


def test_a_terminal_shows_the_percentage(screen: Screen) -> None:
    """Of work whose length was not known when the line appeared."""
    with redirect_stderr(screen), working("searching far") as work:
        assert shown(work)
        work.expect(300)
        work.advance(12)

    assert "searching far 12 of 300, 4 %" in re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def test_quick_work_says_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain lines come seldom."""
    with working("2 programs on model:7.2", 2) as work:
        work.advance(2)

    assert ("", "") == capsys.readouterr()


def test_work_that_stands_still_is_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    """As often as its caller says, whatever takes so long."""
    with working("sweeping", 4, every=0.01) as work, beating(work, 0.02):
        work.reach(1)
        deadline = time.monotonic() + 10.0
        said = ""
        while said.count("sweeping: 1 of 4, 25 %") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
            said += capsys.readouterr().err

    assert 3 <= said.count("sweeping: 1 of 4, 25 %")


def test_silence_is_kept(screen: Screen) -> None:
    """On a terminal too."""
    with redirect_stderr(screen), silent(), working("searching") as work:
        say("found")
        time.sleep(0.3)
        assert not work.is_shown

    assert "" == screen.getvalue()


def test_work_that_fails_leaves_no_line(screen: Screen) -> None:
    """The error is the last that is said."""
    with redirect_stderr(screen), pytest.raises(ZeroDivisionError), working("searching") as work:
        assert shown(work)
        raise ZeroDivisionError

    assert not work.is_shown


def test_the_time_is_that_of_the_work(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the line, which came later."""
    monkeypatch.setattr(progress, "APPEARS", 1.1)

    with redirect_stderr(screen), working("searching") as work:
        assert shown(work)

    assert "0:00:00" not in screen.getvalue()


def test_what_is_said_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """It may have the name of a file, or what another machine said."""
    say("\x1b[2J is written")

    assert "\\x1b[2J is written\n" == capsys.readouterr().err


def test_vague_work_gives_way_to_work_that_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """And comes again behind it, with all of its time."""
    clock, screen = Clock(monkeypatch), Screen()

    def results() -> Iterator[str]:
        clock.pass_by(2.0)
        with working("fetching a kernel"):
            clock.pass_by(1.9)
            seen.append(screen.seen.count("fetching"))
            clock.pass_by(0.1)
        vague = screen.seen.count("pfnlab try")
        clock.pass_by(2.0)
        seen.append(screen.seen.count("pfnlab try") > vague)
        yield "done"

    seen: list[int] = []
    with redirect_stderr(screen):
        answer = list(waited("pfnlab try", results()))

    assert (["done"], [0, True]) == (answer, seen)
    assert "fetching a kernel" in screen.seen


def test_a_result_is_taken_without_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes."""
    clock, screen = Clock(monkeypatch), Screen()

    with redirect_stderr(screen):
        for _ in waited("pfnlab results", iter("ab")):
            clock.pass_by(100.0)

    assert screen.seen == ""
