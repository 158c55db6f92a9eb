"""The fixtures and hooks of all tests."""

import gc
import os
import re
import signal
from collections.abc import Generator
from pathlib import Path

import hung
import pytest
import spreading
from _pytest.terminal import TerminalReporter
from budgets import beyond, budgets_of, taken
from comparing import COMPARED, NEWS
from having import ROLE_NAMES, ROLES, asks_older, kernels_of, status
from hypothesis import HealthCheck, settings
from targets import TARGET, TARGETS, is_left_out, target_of

#: Where the differences of kernels nobody met are listed.
NEWS_FILE = Path(__file__).parents[1] / "build" / "news.txt"

# One commit is one answer: the examples of a property are the same each time, and fewer, but with
# `make test-random`, and no test fails for being slow. A folder that examples share is written by each anew.
RANDOM = "PFNLAB_RANDOM" in os.environ
settings.register_profile(
    "same each time",
    derandomize=not RANDOM,
    max_examples=100 if RANDOM else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("same each time")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what each folder may take (budgets.py)."""
    parser.addoption(
        "--budgets", default="", metavar="FOLDER=SECONDS...", help="print folders that take more"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the project's markers, and refuse a target that is none."""
    # A shell has it ignored by what it runs in the background, and so would commands that are tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A worker of pytest-xdist has it set: output would be that of a terminal.
    os.environ.pop("COLUMNS", None)
    config.pluginmanager.register(hung)
    config.pluginmanager.register(spreading)
    config.addinivalue_line("markers", "lab: needs kernels and QEMU")
    config.addinivalue_line("markers", "target(name): runs with `make test-NAME` alone (targets.py)")
    budgets_of(config.getoption("--budgets"))
    if TARGET and TARGET not in TARGETS:
        raise pytest.UsageError(f"PFNLAB_TARGET={TARGET} is no target: write one of {', '.join(TARGETS)}")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave files out that have no test of the target, without importing them."""
    return True if is_left_out(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile: what is imported stays, and each look would go through all of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of other targets than the one that runs."""
    of = {item: target_of(item) for item in items}
    of |= {item: "older" if asks_older(item) else "" for item, target in of.items() if target is None}
    others = [item for item in items if of[item] != TARGET]
    if others:
        items[:] = [item for item in items if of[item] == TARGET]
        config.hook.pytest_deselected(items=others)


def new_kernel(item: pytest.Item) -> str | None:
    """The kernel nobody met that a test asks, if there is one.

    That is one of its parameters; of a test on kernels without any, one its module has by the name of a role.
    """
    kernels = kernels_of(item)
    if not kernels and item.get_closest_marker("lab"):
        named = (getattr(getattr(item, "module", None), name, None) for name in ROLE_NAMES)
        kernels = [one for one in named if isinstance(one, str)]
    return next((one for one in kernels if status(one) == "new"), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails on a kernel nobody met is news: the kernel moved, the checkout is not broken."""
    report = yield
    kernel = new_kernel(item)
    if report.failed and kernel is not None:
        reason = report.longreprtext.strip().splitlines()[-1] if report.longreprtext else "it failed"
        report.user_properties.append((NEWS, f"{kernel}: {item.nodeid}: {reason}"))
        report.user_properties.append((f"{NEWS} whole", report.longreprtext))
        report.outcome = "skipped"
        report.wasxfail = f"news: {kernel} is new"  # type: ignore[attr-defined]
    return report


def said(terminalreporter: TerminalReporter, wanted: str) -> list[str]:
    """What tests recorded under a name, in the order of their reports."""
    return [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == wanted
    ]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Say which kernels were asked, how much of what they did was compared with the model, what is news."""
    reports = [one for kind in terminalreporter.stats.values() for one in kind if hasattr(one, "duration")]
    over = beyond(budgets_of(config.getoption("--budgets")), taken(reports))
    if over:
        terminalreporter.section("folders that took more than their budget")
        for line in over:
            terminalreporter.write_line(line)
    lines = said(terminalreporter, COMPARED)
    if lines:
        terminalreporter.section("model against kernels")
        for line in sorted(set(lines), key=lambda line: [*map(int, re.findall(r"\d+", line)[:2]), line]):
            terminalreporter.write_line(line)
    for role in ROLES:
        if role.status == "gone":
            terminalreporter.write_line(f"{role.name} is unavailable: recorded runs replace it")
    news = sorted(set(said(terminalreporter, NEWS)))
    if news:
        terminalreporter.section(
            f"NEWS: {len(news)} differ or cannot be asked on a kernel nobody met", red=True, bold=True
        )
        for line in news:
            terminalreporter.write_line(line)
        NEWS_FILE.parent.mkdir(exist_ok=True)
        NEWS_FILE.write_text("\n\n".join(news + said(terminalreporter, f"{NEWS} whole")) + "\n")
        terminalreporter.write_line(f"listed in {NEWS_FILE}; `pfnlab kernels meet --new` says what changed")


@pytest.fixture
def usual_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process takes itself for that of a user who is not root, whoever runs the tests."""
    user = os.getuid() or 1000
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process takes itself for root's, which nobody called with sudo."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("SUDO_GID", raising=False)
