"""How processes end: together with their parent, and in words."""

import contextlib
import ctypes
import os
import signal

#: PR_SET_PDEATHSIG of <linux/prctl.h>, which exists only on Linux.
_SET_DEATH_SIGNAL = 1


def end_with(maker: int, sign: signal.Signals = signal.SIGTERM) -> None:
    """Send *sign* to this process when its parent *maker* exits."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(sign), 0, 0, 0)
    if os.getppid() != maker:
        os.kill(os.getpid(), sign)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def ending(code: int | None) -> str:
    """The way in which a process with this exit code ended, in words."""
    if code is not None and code < 0:
        return f"was killed by {signal_name(-code)}; where memory is short, --jobs 1 takes less"
    return f"ended without an answer (exit {code})"
