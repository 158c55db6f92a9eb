"""The server as it is started: where it listens, what it prints, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from for_each import for_each
from heavy_work import HEAVY, lives, works
from hostile_bundle import LEAK

from pfnlab.base.errors import Misuse
from pfnlab.explorer.serving import BrowserPage, serve

ROOT = Path(__file__).parents[2]

QUESTION = {"ask": "story", "machines": ["model:7.3"], "program": HEAVY}


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An explorer that runs, and its address; it has no other tests to serve."""
    command = [sys.executable, "-m", "pfnlab", "explore", "--no-browser", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline().split()[-1]
        finally:
            process.kill()


def asked(address: str, question: dict[str, Any]) -> http.client.HTTPConnection:
    """A connection on which a question was sent."""
    read = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", read.port or 0)
    token = parse_qs(read.fragment)["token"][0]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/{question['ask']}", json.dumps(question), headers)
    return connection


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is so, as long as a busy machine may need."""
    deadline = time.monotonic() + 200
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running explorer, and its address."""
    command = [
        sys.executable,
        "-m",
        "pfnlab",
        "explore",
        "munmap-middle",
        "--no-browser",
        "--on",
        "model:6.1",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = process.stderr.readline().split()[-1]
    yield process, address
    process.kill()
    process.wait()


def test_the_address_holds_program_machine_and_token(server: tuple[subprocess.Popen[str], str]) -> None:
    """The token stands behind #, which is never sent, and is long."""
    words = parse_qs(urlsplit(server[1]).fragment)

    assert ["unmapping/munmap-middle"] == words["program"]
    assert ["model:6.1"] == words["on"]
    assert 40 <= len(words["token"][0])
    assert "" == urlsplit(server[1]).query


def test_it_listens_on_loopback_alone(server: tuple[subprocess.Popen[str], str]) -> None:
    """Another address of this machine does not answer on the port."""
    port = urlsplit(server[1]).port
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]

    assert [f"0100007F:{port:04X}"] == listening


def test_a_raw_path_leads_nowhere(server: tuple[subprocess.Popen[str], str]) -> None:
    """An address that a client would have tidied is no way out either."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server[1]).port or 0)
    connection.putrequest("GET", "/../../../../etc/passwd")
    connection.endheaders()

    reply = connection.getresponse()

    assert 404 == reply.status
    assert b"root" not in reply.read()


def test_it_answers_with_the_token(server: tuple[subprocess.Popen[str], str]) -> None:
    """Who has the address can ask; the server does not say what it is."""
    address = urlsplit(server[1])
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0)
    token = parse_qs(address.fragment)["token"][0]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/rule", json.dumps({"ask": "rule", "rule": "S2.3.1"}), headers)

    reply = connection.getresponse()

    assert 200 == reply.status
    assert "S2.3.1" == json.loads(reply.read())["number"]
    assert reply.getheader("server") is None


def test_it_ends_with_ctrl_c() -> None:
    """An interrupt ends it at once, without a word of trouble."""
    command = [sys.executable, "-m", "pfnlab", "explore", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    port = urlsplit(process.stderr.readline().split()[-1]).port or 0
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    connection.getresponse().read()

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)

    assert 0 == process.returncode
    assert "" == output
    assert "Traceback" not in errors


@pytest.mark.target("long")
def test_ctrl_c_ends_it_in_the_middle_of_work() -> None:
    """It waits for no answer, says no word of trouble, and no process of its own goes on."""
    with started() as (process, address):
        asking = asked(address, QUESTION)
        wait_for(lambda: any(map(works, children(process.pid))))
        workers = children(process.pid)

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert 0 == process.returncode
    # Of the last line of its beginning the text and its end come one after the other.
    assert errors.strip() in ("", "it ends with Ctrl-C")
    assert not any(map(lives, workers))
    asking.close()


@pytest.mark.target("long")
def test_who_goes_away_ends_what_was_asked() -> None:
    """A page that was closed, or that asks something else, costs nothing any more."""
    with started() as (process, address):
        asking = asked(address, QUESTION)
        wait_for(lambda: any(map(works, children(process.pid))))
        (worker,) = (pid for pid in children(process.pid) if works(pid))

        asking.close()

        wait_for(lambda: not lives(worker))


@pytest.mark.target("long")
def test_others_are_answered_while_it_works() -> None:
    """One question that takes minutes is no reason for another to wait."""
    with started() as (process, address):
        asking = asked(address, QUESTION)
        wait_for(lambda: any(map(works, children(process.pid))))

        reply = asked(address, {"ask": "rule", "rule": "S2.3.1"}).getresponse()

        assert "S2.3.1" == json.loads(reply.read())["number"]
        assert any(map(works, children(process.pid)))
        asking.close()


def test_a_port_that_is_taken_is_misuse() -> None:
    """The message says what to write instead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(Misuse, match="leave --port out"):
            serve(port=taken.getsockname()[1], browser=False)


def test_the_browser_is_not_started_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users see the words a program is started with; the token is in a file only its owner reads."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)

    with BrowserPage("http://127.0.0.1:1/#token=secret"):
        page = Path(urlsplit(opened[0]).path)
        mode = stat.S_IMODE(os.stat(page).st_mode)
        text = page.read_text(encoding="utf-8")

    assert "secret" not in opened[0]
    assert "url=http://127.0.0.1:1/#token=secret" in text
    assert 0o600 == mode
    assert not page.exists()


def test_it_begins_with_the_bundle_of_the_command_line() -> None:
    """The address opens its view, and its findings are there without being sent."""
    with started("--bundle", str(LEAK)) as (_, address):
        opened = json.loads(asked(address, {"ask": "opened"}).getresponse().read())
        start = json.loads(asked(address, {"ask": "start"}).getresponse().read())

    assert ["bundle"] == parse_qs(urlsplit(address).fragment)["view"]
    assert "Leaked reservation: 32 KiB" in opened["html"]
    assert str(LEAK) == start["bundle"]


@for_each(
    ("name", "says"),
    [
        ("README.md", "this is no bundle"),
        ("nowhere.bundle", "there is no such file"),
        (".", "this is a directory"),
    ],
)
def test_what_is_no_bundle_is_not_served(name: str, says: str) -> None:
    """One line says so, before anything listens."""
    command = [sys.executable, "-m", "pfnlab", "explore", "--no-browser", "--bundle", str(ROOT / name)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (2, "") == (ended.returncode, ended.stdout)
    assert says in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
