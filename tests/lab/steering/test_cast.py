"""The tasks of a schedule against a guest that answers as recorded."""

import errno

import pytest

from pfnlab.base.errors import LostGuest
from pfnlab.lab.steering.cast import Answer, Cast, Whereabouts

A = 0x100000000000
SEGV = Answer(errno.EFAULT, ("sig", "11", "1"))


class Recorded:
    """A guest that answers every request with *reply*."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []

    def request(self, text: str, limit: float) -> str:
        """The next reply; the last one stays."""
        self.asked.append(text)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


HEAD = ["program cast", "name 0 main"]


def test_cast_speaks_the_protocol():
    """
    Operations are requests that leave the tasks for the next one.
    """
    guest = Recorded("before\nstep 0\nr 0 0\npid 1 98\nm 1000 2000 write-combining\nk said\n")
    cast = Cast(guest, HEAD)

    answer = cast.do(0, "thread", 1)

    assert ["program cast\nname 0 main\nop 0 thread 1\nmore\n"] == guest.asked
    assert (Answer(0), {1: 98}, ["said"]) == (answer, cast.pids, cast.heard)


def test_cast_waits_and_looks():
    """
    What has been begun is collected when it is done, and asked where it is before.
    """
    begun, running = "step 0\nr 0 0 begun\n", "step 0\nr -1 11 running\n"
    done, where = "step 0\nr -1 14 sig 11 1\n", "step 0\nr 0 0\nw D __vm_munmap+0x7e do_syscall_64+0x1a\n"
    cast = Cast(Recorded(begun, running, where, done, begun + running, begun + done))

    cast.begin(0, "load", A)

    assert cast.collect(0, 0.1) is None
    assert Whereabouts("D", ("__vm_munmap", "do_syscall_64"), 0x7E) == cast.where(0)
    assert SEGV == cast.collect(0, 0.1)
    assert cast.attempt(0, "load", A) is None
    assert SEGV == cast.attempt(0, "load", A)


@pytest.mark.parametrize(
    "reply", ["error no such verb\ndone cast\n", "done cast\n", "step 0\nr -1 16 busy\n"]
)
def test_cast_wrong_reply(reply: str):
    """
    A guest that does not do as told is lost for the schedule.
    """
    cast = Cast(Recorded(reply))

    with pytest.raises(LostGuest):
        cast.begin(0, "nop")
