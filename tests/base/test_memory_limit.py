"""Tests of the memory limit of a process."""

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pfnlab.base.memory_limit import limit_memory

_GIB = 1 << 30


@pytest.fixture
def process() -> Iterator[int]:
    """A process with a limit of two GiB."""
    wait = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        resource.prlimit(child.pid, resource.RLIMIT_AS, (2 * _GIB, 2 * _GIB))
        yield child.pid
        child.kill()


def test_a_lower_limit_is_set(process: int) -> None:
    """Both numbers fall, so that the process cannot raise it again."""
    limit_memory(_GIB, process)

    assert (_GIB, _GIB) == resource.prlimit(process, resource.RLIMIT_AS)


def test_a_lower_limit_that_was_there_stays(process: int) -> None:
    """Raising it would fail without CAP_SYS_RESOURCE."""
    limit_memory(4 * _GIB, process)

    assert (2 * _GIB, 2 * _GIB) == resource.prlimit(process, resource.RLIMIT_AS)
