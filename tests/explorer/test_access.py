"""Each way in which somebody else could ask the explorer is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from for_each import for_each
from hostile_bundle import LEAK, with_log_of
from starlette.testclient import TestClient

from pfnlab.explorer import access
from pfnlab.explorer.access import MOST_ASKED, MOST_SENT, Gate
from pfnlab.explorer.routes import application
from pfnlab.explorer.workers import Workers

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

    assert "there is no program of that name" == reply.json()["refused"]


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

    assert "1 finding; 1 source not read whole; 1 kind of findings not looked for." == reply.json()["says"]


def test_a_bundle_is_no_larger_than_it_may_be() -> None:
    """By its length it is refused before anything of it is read."""
    headers = {**SENT, "content-length": str(MOST_SENT + 1)}

    assert 413 == send(b"x", headers=headers).status_code


def test_a_bundle_without_a_length_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question's bound does not hold for it, and its own does."""
    monkeypatch.setattr(access, "_BUNDLE", access._BUNDLE._replace(most=2 * MOST_ASKED))
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
    assert f"{name}: this is no bundle" in send(b"hello", name).json()["refused"]


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
