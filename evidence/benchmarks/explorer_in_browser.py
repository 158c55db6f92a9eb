"""The explorer's response times for a user: the first picture, a step, a state of a large graph.

    python evidence/benchmarks/explorer_in_browser.py

Measured in the browser, from the key or the address until the picture is laid out. The distribution's
browser is used, without a window (``tools/install-missing browser``); if there is none, nothing is
measured.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from explorer_speed import many, story
from measuring import busy, show

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "browser"))

STEPS, VMAS, DEPTH, TIMES = 20, 200, 12, 9

#: Seconds that a user spends on a step before the next one.
LOOK = 1.0

#: What a key does, and the time to its picture: two frames later it has been painted.
_PRESSED = """
const [press, done] = arguments;
const figure = document.getElementById("picture");
const began = performance.now();
const seen = new MutationObserver(() => {
  seen.disconnect();
  figure.getBoundingClientRect();
  requestAnimationFrame(() => done(performance.now() - began));
});
seen.observe(figure, {childList: true});
if (press === "graph") document.querySelector("#next button:not(.back)").click();
else document.body.dispatchEvent(new KeyboardEvent("keydown", {key: press, bubbles: true}));
"""


def main() -> None:
    """Print a line per wait."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        print("not measured: chromium or chromedriver is missing, run tools/install-missing browser")
        return
    import starting

    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        starting.explorer() as address,
        starting.browser(Path(folder)) as chrome,
    ):
        page = starting.looker(chrome, address, Path(folder))
        page.size(1400, 1000)

        def pressed(key: str, looked: float = 0) -> float:
            time.sleep(looked)
            return float(chrome.execute_async_script(_PRESSED, key))

        def first() -> float:
            # The URL is of a user's program, for which the server has stored nothing.
            page.open(program="munmap-middle")
            page.write(story(STEPS) + f"# {time.monotonic_ns()}\n")
            page.until(lambda: "text=" in chrome.current_url)
            fragment = chrome.current_url.partition("#")[2]
            chrome.get("about:blank")
            began = time.perf_counter()
            chrome.get(f"{page.base}#{fragment}")
            page.until(lambda: page.all("#picture svg"))
            return 1000 * (time.perf_counter() - began)

        rows.append(("first picture, page and all", [first() for _ in range(3)]))
        page.open(program="munmap-middle")
        page.write(many(VMAS))
        page.until(lambda: f"of {VMAS // 2 + 2}" in page.text("#says"))
        at = VMAS // 2 - 2 * TIMES
        page.script(f"document.querySelectorAll('#timeline button')[{at - 1}].click()")
        page.until(lambda: f"Step {at} " in page.text("#says"))
        page.leave_fields()
        rows.append(("a step, after a look", [pressed("ArrowRight", LOOK) for _ in range(TIMES)]))
        rows.append(("a step, at once", [pressed("ArrowRight") for _ in range(TIMES)]))
        page.open(view="graph", on="model:6.1", scope="wide")
        page.until(lambda: page.all("#next button"))
        rows.append(("a state of the graph", [pressed("graph") for _ in range(DEPTH)]))
    title = f"The explorer in a browser, {STEPS} steps, {VMAS} VMAs, scope wide; {busy()}"
    printed = [(name, f"{statistics.median(times):.0f}", f"{max(times):.0f}") for name, times in rows]
    show(title, ("", "ms, median", "ms, most"), printed)


if __name__ == "__main__":
    main()
