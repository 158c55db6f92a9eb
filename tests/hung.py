"""The end of a test that its own limit does not end.

The limit (pytest-timeout) raises one exception in the main thread. Where that is swallowed, or what it passes
on its way waits as well, the test hangs without end, and nobody learns which one it was. So the process of
such a test ends a while later, with the place of each of its threads on the terminal, and pytest-xdist names
the test and goes on with another process.
"""

import faulthandler
from collections.abc import Generator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from pytest_timeout import Settings

#: Seconds that a test has beyond its limit, to end what it has begun.
GRACE = 60.0


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> Generator[None, object, object]:
    """End the process where the limit of *item* does not help."""
    terminal = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(settings.timeout + GRACE, file=terminal, exit=True)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> Generator[None, object, object]:
    """The test has ended."""
    faulthandler.cancel_dump_traceback_later()
    return (yield)
