"""Another page in the same browser can do nothing to a running explorer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

#: A search is what would cost most if a foreign page could begin it.
QUESTION = {"ask": "search", "machine": "model:7.2", "scope": "small"}

FETCH = """
const done = arguments[arguments.length - 1];
fetch(arguments[0], arguments[1]).then(
  async (reply) => done([reply.type, reply.status, await reply.text()]),
  (wrong) => done(["failed", 0, String(wrong)]));
"""


class _ForeignPage(BaseHTTPRequestHandler):
    """Another server of this machine, with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>foreign</title><body>foreign</body>")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def foreign(page: Any) -> Iterator[Any]:
    """The browser at a page of another port, whose owner knows the explorer's address but not its token."""
    # The browser holds the token, as it does where somebody has the explorer open.
    page.open(program="munmap-middle")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ForeignPage)
    # A browser keeps connections open that nobody uses.
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page.driver.get(f"http://127.0.0.1:{server.server_port}/")
    yield page
    page.driver.get("about:blank")
    server.shutdown()
    server.server_close()
    thread.join()
    # What the browser refused to the foreign page, it says in the console.
    page.driver.get_log("browser")


def fetched(page: Any, address: str, **options: Any) -> list[Any]:
    """Type, status and text of an answer, as the page that asked sees them."""
    answer: list[Any] = page.driver.execute_async_script(FETCH, address, options)
    return answer


@pytest.mark.parametrize("wanted", ["", "page.js", "api/start"])
def test_a_foreign_page_reads_nothing(foreign: Any, wanted: str) -> None:
    """Neither the page nor an answer."""
    assert "failed" == fetched(foreign, foreign.base + wanted)[0]


def test_a_foreign_page_does_not_even_see_a_file_without_reading_it(foreign: Any) -> None:
    """An opaque answer, which a page may ask of anybody, is not given either."""
    assert "failed" == fetched(foreign, foreign.base + "page.js", mode="no-cors")[0]


def test_a_question_with_a_header_is_not_sent(foreign: Any) -> None:
    """The browser asks first whether it may, and is told no."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {foreign.token}"}

    answer = fetched(
        foreign, foreign.base + "api/search", method="POST", headers=headers, body=json.dumps(QUESTION)
    )

    assert "failed" == answer[0]


def test_a_form_of_a_foreign_page_begins_nothing(foreign: Any) -> None:
    """What a form sends arrives, and is refused for where it comes from."""
    foreign.script(
        "const form = document.createElement('form'); form.method = 'POST'; form.enctype = 'text/plain';"
        "form.action = arguments[0]; const field = document.createElement('input');"
        "field.name = arguments[1]; field.value = ''; form.append(field); document.body.append(form);"
        "form.submit();",
        foreign.base + "api/search",
        json.dumps(QUESTION),
    )

    foreign.until(lambda: "another page may not ask" in foreign.text("body"))


def test_the_page_stands_in_no_frame(foreign: Any) -> None:
    """So nobody is made to click in it unknowingly."""
    seen = foreign.driver.execute_async_script(
        "const done = arguments[1]; const frame = document.createElement('iframe');"
        "frame.onload = () => { let inside = null; try { inside = frame.contentDocument; } catch {}"
        "  done([frame.contentWindow.length, inside === null]); };"
        "frame.src = arguments[0]; document.body.append(frame);",
        foreign.base,
    )

    foreign.driver.switch_to.frame(0)
    try:
        assert not foreign.all("header h1"), seen
    finally:
        foreign.driver.switch_to.default_content()


def test_a_script_in_the_page_itself_does_not_run(page: Any) -> None:
    """Even if text became markup one day, the policy stands behind it."""
    page.open(program="munmap-middle")

    said = page.driver.execute_async_script(
        "const done = arguments[0];"
        "const told = (event) => done(event.effectiveDirective);"
        "document.addEventListener('securitypolicyviolation', told, {once: true});"
        "const script = document.createElement('script'); script.textContent = 'document.title = \"got\"';"
        "document.body.append(script);"
    )

    assert said.startswith("script-src")
    assert "pfnlab explorer" == page.driver.title
    page.driver.get_log("browser")


def test_the_page_sends_nothing_elsewhere(page: Any) -> None:
    """What is typed stays on this machine: no other address is connected to."""
    page.open(program="munmap-middle")

    assert "failed" == fetched(page, "http://127.0.0.1:9/", method="POST", body="text", mode="no-cors")[0]
    said = json.dumps(page.driver.get_log("browser"))
    assert "Content Security Policy" in said
