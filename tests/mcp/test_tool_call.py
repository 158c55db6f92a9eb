"""A call as a process carries it out: the reply, its limits, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from hostile_policies import ENDS, METHOD, tracker

from pfnlab.base.errors import Undecided
from pfnlab.base.schema_files import schema
from pfnlab.mcp import tool_call as module
from pfnlab.mcp.verb_tools import Grants, called

PROGRAM = "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"

NOTHING = Grants()

Reply = Callable[..., dict[str, Any]]


@pytest.fixture
def reply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reply:
    """The reply to a call, carried out in this process."""
    # It works in a folder of its own.
    monkeypatch.chdir(tmp_path)

    def answered(name: str, grants: Grants = NOTHING, **arguments: Any) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(module._answered(called(name, arguments, grants), str(tmp_path)))
        return read

    return answered


def test_a_reply_has_code_results_and_text(reply: Reply) -> None:
    """As the command line has them."""
    answer = reply("run", programs=["munmap-middle"], on=["model:6.1", "model:7.3"])

    assert ["exit_code", "results", "text"] == list(answer)
    assert (1, "pfnlab-run/1") == (answer["exit_code"], answer["results"][0]["format"])
    assert answer["text"].startswith("Unmapping the middle first\n")


def test_each_program_has_its_result(reply: Reply) -> None:
    """A text is named as its file, which is not the client's."""
    answer = reply("run", programs=[PROGRAM, "munmap-middle", PROGRAM])

    names = [result["program"]["name"] for result in answer["results"]]
    assert ["program", "munmap-middle", "program-2"] == names


def test_a_verb_that_only_prints_has_no_results(reply: Reply) -> None:
    """The help of a command, and of a word."""
    answers = reply("help", words=["run"]), reply("help", words=["no_leak"])

    assert [None, None] == [answer.get("results") for answer in answers]
    assert answers[0]["text"].startswith("Usage: pfnlab run")
    assert answers[1]["text"].startswith("no_leak (property)")


def test_the_command_is_recorded(reply: Reply) -> None:
    """The one that the command line takes."""
    (result,) = reply("bugs_run", bug="A06")["results"]

    assert "pfnlab bugs run A06" == result["made"]["command"]


def test_a_long_text_is_cut_at_a_line(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are whole."""
    monkeypatch.setattr(module, "_MOST_SHOWN", 100)

    answer = reply("bugs_list", kind="bug")

    assert 3 > answer["text"].count("\n")
    assert answer["text"].endswith("more lines; the results are complete\n")


def test_a_text_without_results_is_complete(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing else to look it up in."""
    monkeypatch.setattr(module, "_MOST_SHOWN", 100)

    answer = reply("help", words=["explain"])

    assert (True, False) == (len(answer["text"]) > 1000, "more lines" in answer["text"])


@for_each("verb", ["run", "review", "bugs list"])
def test_a_schema_is_a_result(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete, though its text is cut."""
    monkeypatch.setattr(module, "_MOST_SHOWN", 100)
    call = called("help", {"words": verb.split(), "schema": True}, NOTHING)

    answer = json.loads(module._answered(call, str(tmp_path)))

    assert [schema(verb)] == answer["results"]


def test_results_that_are_too_large_are_left_out(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text has a line for each program, and how large they are."""
    monkeypatch.setattr(module, "MOST_REPLY", 4 << 10)
    monkeypatch.setattr(module, "_MOST_SHOWN", 10)

    answer = reply("run", programs=["munmap-middle", "fork-adopted"])

    assert "results" not in answer
    assert {"munmap-middle", "fork-adopted"} <= set(answer["text"].split())
    assert answer["left_out"].endswith("more than 4 KiB, and are left out: ask about less for them")
    assert answer["text"].endswith(f"\n{answer['left_out']}\n")


def test_results_that_fit_are_all_there(reply: Reply) -> None:
    """With nothing left out."""
    answer = reply("run", programs=["munmap-middle", "fork-adopted"])

    assert (2, None) == (len(answer["results"]), answer.get("left_out"))


def test_an_answer_that_is_too_large_is_refused(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its size."""
    monkeypatch.setattr(module, "MOST_REPLY", 1 << 10)

    answer = reply("bugs_list", kind="bug")

    assert 2 == answer["exit_code"]
    assert "more than 1 KiB: ask about less" in answer["refused"]


def test_a_mistake_in_a_text_is_said_with_its_line(reply: Reply) -> None:
    """On one line, with no folder in it."""
    answer = reply("run", programs=[PROGRAM + "munmapp a\n"])

    expected = "program.pfn:5:1: unknown operation `munmapp`: did you mean `munmap`?"
    assert {"refused": expected, "exit_code": 2} == answer


def test_a_name_of_a_file_here_is_not_opened(reply: Reply, tmp_path: Path) -> None:
    """Where the server was started does not matter."""
    (tmp_path / "dmesg").write_text("x86/PAT: main:1 freeing invalid memtype [mem 0xc0000000-0xc0003fff]\n")

    answer = reply("explain", words=["dmesg"])

    assert 3 == answer["exit_code"]


def test_nothing_is_left_behind(reply: Reply, tmp_path: Path) -> None:
    """The folder of a call ends with it."""
    reply("run", programs=[PROGRAM])

    assert [] == list(tmp_path.iterdir())


def test_a_call_without_memory_ends_its_process(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may be damaged: a new one takes the next call."""

    def full(call: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(module, "_performed", full)

    with pytest.raises(Undecided, match="takes more memory than it may"):
        reply("bugs_list")


def test_a_defect_is_one_line(
    reply: Reply, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is in the log of the server."""

    def wrong(call: object) -> bytes:
        raise KeyError("x")

    monkeypatch.setattr(module, "_performed", wrong)

    answer = reply("bugs_list")

    assert (4, True) == (answer["exit_code"], answer["refused"].startswith("this is a defect of pfnlab"))
    assert "KeyError: 'x'" in capsys.readouterr().err


def test_a_policy_cannot_end_the_process(reply: Reply) -> None:
    """It runs in another one, and what it did is said."""
    body, says = next(iter(ENDS.items()))

    answer = reply("run", Grants(policies=True), programs=["munmap-middle"], policy=[tracker(body)])

    assert {"refused": f"policy.py: {says}", "exit_code": 2} == answer


def test_a_policy_is_run(reply: Reply) -> None:
    """Its mistakes are said with the method."""
    policy = tracker("raise ValueError('here')")

    answer = reply("run", Grants(policies=True), programs=["munmap-middle"], policy=[policy])

    assert answer["refused"].startswith(f"policy.py: {METHOD}: it raised ValueError: here")
