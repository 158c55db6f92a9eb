"""Forked processes that end with the process that made them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

#: PR_SET_PDEATHSIG of <linux/prctl.h>; other systems have no such thing.
_SET_DEATH_SIGNAL = 1


def end_with(maker: int) -> None:
    """Let SIGTERM end this process when *maker*, which forked it, is gone."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != maker:
        os.kill(os.getpid(), signal.SIGTERM)
