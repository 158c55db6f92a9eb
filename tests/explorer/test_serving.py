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
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from for_each import for_each
from heavy_work import HEAVY, lives, works
from hostile_bundle import LEAK, with_log_of
from starlette.testclient import TestClient

from pfnlab.base.errors import Misuse
from pfnlab.explorer import serving
from pfnlab.explorer.routes import application
from pfnlab.explorer.serving import MOST_ASKED, MOST_SENT, BrowserPage, Gate, serve
from pfnlab.explorer.workers import Workers

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
        ("README.md", "not a bundle"),
        ("nowhere.bundle", "no such file"),
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


PORT = 8123
HOST = f"127.0.0.1:{PORT}"
TOKEN = "the-token-of-the-tests"
GOOD = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "origin": f"http://{HOST}"}


@cache
def client() -> TestClient:
    gate = Gate(application(Workers()), TOKEN, PORT)
    return TestClient(gate, base_url=f"http://{HOST}", follow_redirects=False)


@pytest.fixture(scope="module", autouse=True)
def served() -> Iterator[None]:
    """One application answers all tests, with its processes."""
    with client():
        yield
    client.cache_clear()


def ask(kind: str = "start", headers: dict[str, str] | None = None, **question: Any) -> Any:
    body = json.dumps({"ask": kind, **question})
    return client().post(f"/api/{kind}", content=body, headers=GOOD if headers is None else headers)


def test_the_page_itself_may_ask() -> None:
    """With host, origin, token and type as the page sends them, a question is answered."""
    reply = ask()

    assert 200 == reply.status_code
    assert "programs" in reply.json()


@for_each("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", ""])
@for_each("address", ["/", "/api/start"])
def test_another_host_is_refused(host: str, address: str) -> None:
    """A foreign name that a name server gave the address 127.0.0.1 gets nothing, not even the page."""
    method = "GET" if address == "/" else "POST"
    origin = {"origin": f"http://{host}"} if host else {}
    headers = {**GOOD, **origin, "host": host}

    reply = client().request(method, address, headers=headers, content="{}" if method == "POST" else None)

    assert 421 == reply.status_code


@for_each(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", f"https://{HOST}", f"http://{HOST}.evil.example"],
)
def test_another_origin_is_refused(origin: str) -> None:
    """A page from elsewhere, from a file or from another port may not ask, even with the token."""
    reply = ask(headers={**GOOD, "origin": origin})

    assert 403 == reply.status_code


@for_each("site", ["cross-site", "same-site", "none"])
def test_what_the_browser_calls_foreign_is_refused(site: str) -> None:
    """A browser says where a question comes from; only the page's own are answered."""
    reply = ask(headers={**GOOD, "sec-fetch-site": site})

    assert 403 == reply.status_code


@for_each("token", [None, "", "Bearer", "Bearer wrong", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"])
def test_without_the_token_nothing_is_answered(token: str | None) -> None:
    """A question without the token, or with another one, is refused."""
    headers: dict[Any, Any] = {key: value for key, value in GOOD.items() if key != "authorization"}
    if token is not None:
        headers["authorization"] = token.encode("latin-1")

    reply = ask(headers=headers)

    assert 401 == reply.status_code
    assert TOKEN not in reply.text


def test_a_cookie_is_no_token() -> None:
    """What a browser sends by itself opens nothing."""
    headers = {key: value for key, value in GOOD.items() if key != "authorization"}

    reply = ask(headers={**headers, "cookie": f"token={TOKEN}"})

    assert 401 == reply.status_code


@for_each("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_foreign_form_can_send_is_no_question(kind: str) -> None:
    """The types that a page may send anywhere unasked are refused."""
    reply = ask(headers={**GOOD, "content-type": kind})

    assert 415 == reply.status_code


@for_each("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_question_is_a_post(method: str) -> None:
    """An image or a link of another page cannot run anything."""
    reply = client().request(method, "/api/start", headers=GOOD)

    assert 405 == reply.status_code


@for_each("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(method: str) -> None:
    """The page's files take nothing."""
    assert 405 == client().request(method, "/", headers=GOOD).status_code


def test_an_oversized_question_is_refused_by_its_length() -> None:
    """A question that says it is too large is not read."""
    reply = client().post("/api/start", content=b"x" * (MOST_ASKED + 1), headers=GOOD)

    assert 413 == reply.status_code


def test_an_oversized_question_is_refused_without_a_length() -> None:
    """A question in pieces is read no further than it may be long."""
    pieces = (b"x" * (1 << 16) for _ in range(1 + MOST_ASKED // (1 << 16)))

    reply = client().post("/api/start", content=pieces, headers=GOOD)

    assert 413 == reply.status_code


@for_each("length", ["-1", "1e9", "\u0661", "9" * 400])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    """Only a plain number is a length."""
    headers = {**GOOD, "content-length": length.encode("utf-8")}

    assert 413 == client().post("/api/start", content=b"{}", headers=headers).status_code  # type: ignore[arg-type]


@for_each("name", ["host", "origin", "authorization"])
def test_a_header_that_decides_stands_once(name: str) -> None:
    """Of two hosts, origins or tokens no one chooses the better one."""
    good = {"host": HOST, **GOOD}
    pairs = [*good.items(), (name, "evil.example")]

    reply = client().post("/api/start", content=b'{"ask":"start"}', headers=pairs)

    assert 400 == reply.status_code


@for_each(
    "address",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/page.py",
        "/app.py",
    ],
)
def test_no_address_leads_out_of_the_page(address: str) -> None:
    """There is a list of files, and no path is made of an address."""
    assert 404 == client().get(address).status_code


@for_each("address", ["/", "/page.js", "/page.css", "/nowhere"])
def test_every_answer_carries_the_policy(address: str) -> None:
    """No answer may run inline scripts, be framed, or be taken for something else."""
    headers = client().get(address).headers

    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert "'self'" == policy["script-src"]
    assert "'none'" == policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "nosniff" == headers["x-content-type-options"]
    assert "access-control-allow-origin" not in headers


def test_a_refusal_carries_the_policy_too() -> None:
    """What is refused is as inert as what is answered."""
    reply = client().get("/", headers={"host": "evil.example"})

    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_the_nonce_is_new_each_time() -> None:
    """A nonce that was seen opens nothing later, and the page has the one of its policy."""
    first, second = client().get("/"), client().get("/")

    nonces = [
        reply.headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
        for reply in (first, second)
    ]
    assert nonces[0] != nonces[1]
    assert f'content="{nonces[0]}"' in first.text


def test_the_page_holds_no_script_and_no_token() -> None:
    """All code is in a file of its own, and who reads the page learns nothing."""
    text = client().get("/").text

    assert 1 == text.count("<script") == text.count('<script src="/page.js"')
    assert TOKEN not in text
    assert " style=" not in text


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "munmap-middle; touch /tmp/x",
    "$(touch /tmp/x)",
    "<script>alert(1)</script>",
    "unmapping/../unmapping/munmap-middle",
    "\x00",
    "-",
    "*",
]


@for_each("name", HOSTILE)
def test_a_program_s_name_is_looked_up_only(name: str) -> None:
    """What is no name of the library is no path and no pattern either."""
    reply = ask("program", name=name)

    assert reply.json()["refused"].startswith("the library has no program")


@for_each(
    "machine",
    [
        "model:7.2,config=/etc/passwd",
        "model:7.2,tracker=/tmp/mine.py",
        "model:7.2,tracker=mine.py",
        "model:7.2,tracker=..",
        "model:../../etc/passwd",
        "qemu:/boot/vmlinuz",
        "qemu:7.2;id",
        "recorded:../x",
        "--help",
        "model:" + "9" * 10_000,
        "file:///etc/passwd",
    ],
)
@for_each("kind", ["story", "kernel", "search", "graph"])
def test_a_machine_s_name_names_no_file(machine: str, kind: str) -> None:
    """No machine of the page is a file, an option or a command."""
    program = "pfnlab program 1\ntitle x\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"
    questions: dict[str, dict[str, Any]] = {
        "story": {"program": program, "machines": [machine]},
        "kernel": {"program": program, "machine": machine},
        "search": {"machine": machine, "scope": "small"},
        "graph": {"machine": machine, "scope": "small", "path": []},
    }

    reply = ask(kind, **questions[kind])

    assert "refused" in reply.json()
    assert "Traceback" not in reply.text


@for_each("scope", ["/etc/passwd", "../scopes/small.toml", "race", "", "<script>"])
def test_a_scope_is_one_of_the_package(scope: str) -> None:
    """A scope out of a file is for the command line."""
    reply = ask("graph", machine="model:7.3", scope=scope, path=[])

    assert reply.json()["refused"].startswith("there is no such graph")


@for_each(
    "body",
    [
        "",
        "[]",
        "null",
        "{",
        '{"ask":"story"}',
        '{"ask":"start","more":1}',
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_question_of_another_form_is_refused(body: str | bytes) -> None:
    """What does not fit the form is refused before anything looks at it."""
    reply = client().post("/api/start", content=body, headers=GOOD)

    assert 400 == reply.status_code


@for_each(
    "question",
    [
        {"program": "", "machines": ["model:7.3"] * 5, "step": 0},
        {"program": "", "machines": ["model:7.3"], "step": -1},
        {"program": "", "machines": ["x" * 201], "step": 0},
        {"program": "", "machines": ["model:7.3"], "step": 10**9},
    ],
)
def test_every_part_of_a_question_is_bounded(question: dict[str, Any]) -> None:
    """Numbers, names and lists have a size they may not pass."""
    assert 400 == ask("picture", **question).status_code


SENT = {**GOOD, "content-type": "application/octet-stream"}


def send(data: Any, name: str = "host.bundle", headers: dict[str, str] | None = None) -> Any:
    return client().post("/api/bundle", params={"name": name}, content=data, headers=headers or SENT)


def test_a_bundle_of_64_mib_opens() -> None:
    """It is sent as it is, and said to be what it is."""
    reply = send(with_log_of(64 << 20))

    assert "1 finding; 1 source incomplete; 1 check skipped." == reply.json()["says"]


def test_a_bundle_is_no_larger_than_it_may_be() -> None:
    """By its length it is refused before anything of it is read."""
    headers = {**SENT, "content-length": str(MOST_SENT + 1)}

    assert 413 == send(b"x", headers=headers).status_code


def test_a_bundle_without_a_length_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question's bound does not hold for it, and its own does."""
    monkeypatch.setattr(serving, "_BUNDLE", serving._BUNDLE._replace(most=2 * MOST_ASKED))
    pieces = [b"x" * MOST_ASKED] * 3

    assert (200, 413) == tuple(send(iter(some)).status_code for some in (pieces[:2], pieces))


@for_each(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 421),
        ("origin", "http://evil.example", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("authorization", "Bearer wrong", 401),
        ("content-type", "application/json", 415),
        ("content-type", "multipart/form-data", 415),
        ("content-type", "text/plain", 415),
    ],
)
def test_a_foreign_page_sends_no_bundle(header: str, value: str, status: int) -> None:
    """What holds for questions holds for bundles."""
    assert status == send(LEAK.read_bytes(), headers={**SENT, header: value}).status_code


@for_each("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_bundle_is_a_post(method: str) -> None:
    """No link or image opens one."""
    assert 405 == client().request(method, "/api/bundle", headers=SENT).status_code


def test_a_question_is_no_larger_for_being_sent_as_bytes() -> None:
    """The type alone gives no room: only the address of bundles does."""
    assert 415 == client().post("/api/start", content=b"{}", headers=SENT).status_code


@for_each("name", [str(LEAK), "/etc/passwd", "../../etc/passwd", "/proc/self/environ", "file:///etc/passwd"])
def test_a_bundle_s_name_names_no_file(name: str) -> None:
    """It is a word of the message; what is looked at is what was sent."""
    assert f"{name}: not a bundle" in send(b"hello", name).json()["refused"]


@for_each("kind", ["device", "opened", "explain"])
def test_no_question_opens_a_path(kind: str) -> None:
    """A bundle that is asked about is the one that was sent, by its number."""
    path = str(LEAK)
    words = {"device": {"bundle": path, "device": "0000:00:10.0"}, "opened": {}, "explain": {"lines": path}}

    reply = ask(kind, **words[kind])

    assert "Leaked" not in reply.text
    assert "refused" in reply.json() or "Nothing about" in reply.json()["says"]


@for_each(
    "data", [b"", b"hello", b"\x7fELF" + bytes(600), b"\x1f\x8b" + bytes(60), b"pfnlab-bundle 1\nfile /a\n"]
)
def test_anything_but_a_bundle_is_one_line(data: bytes) -> None:
    """Cores and archives are for the command line."""
    refused = send(data, "b\x1b[2J").json()["refused"]

    assert refused.isprintable()
    assert refused.startswith("b\\x1b[2J")
