"""A user's own policy: one file with one class, which has the methods of a seam.

The file is run as a module; which seam it is for follows from the methods its class has. Nothing is
registered anywhere: ``model:7.2,tracker=path/to/mine.py`` names the file.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from greenlet import GreenletExit

from pfnlab.errors import Misuse, ModelledErrno, PolicyError, Undecided
from pfnlab.files import MOST_WRITTEN, check_regular
from pfnlab.inert import visible_name
from pfnlab.limit import TooLong, too_long
from pfnlab.mm.gather import FlushPlacement
from pfnlab.mm.tracker import Tracker
from pfnlab.mm.walk_policy import WalkerPolicy
from pfnlab.own_code import may_be_interrupted, own_code

#: The protocol of each seam, by the seam's name in the name of a machine.
PROTOCOLS: dict[str, type] = {"tracker": Tracker, "flush": FlushPlacement, "walker": WalkerPolicy}


#: The letters of an exception's text that a message has.
_MOST_TEXT = 300

#: Methods a policy may leave out.
OPTIONAL = ("unmap_region", "remap_pfn_range_filled", "vma_prepare")


def hooks_of(seam: str) -> dict[str, Callable[..., Any]]:
    """The methods the protocol of *seam* asks for, in its order."""
    members = vars(PROTOCOLS[seam]).items()
    return {
        name: member
        for name, member in members
        if inspect.isfunction(member) and (not name.startswith("_") or name == "_check")
    }


class OwnPolicy(NamedTuple):
    """A policy out of a file.

    :param path: the file, as the user named it
    :param seam: ``tracker``, ``flush`` or ``walker``
    :param make: its class; a tracker's is called with the kernel, the others without anything
    """

    path: str
    seam: str
    make: Callable[..., Any]


def is_path(name: str) -> bool:
    """True where *name* is the name of a file, not of a policy in this package."""
    return name.endswith(".py")


def files_in(machine: str) -> list[str]:
    """The files of policies that the name of a machine has in it, as ``model:7.2,tracker=mine.py``.

    To make that machine is to run them.
    """
    values = [change.partition("=")[2] for change in machine.split(",")]
    return [value for value in values if is_path(value)]


def load_policy(path: str, seam: str | None = None) -> OwnPolicy:
    """The policy in the file at *path*, which is run once as long as it does not change.

    :param seam: the seam it has to be for; None accepts any
    :raises Misuse: there is no such file, or it is for another seam
    :raises PolicyError: the file cannot be run, has no policy or several, or its policy forgets a method
    """
    if not is_path(path):
        raise Misuse(
            f"{visible_name(path)} is no Python file: write the name of one, FILE.py, with a policy in it"
        )
    mtime_ns = check_regular(Path(path), "policy", MOST_WRITTEN).st_mtime_ns
    with guarded(path, None, "it cannot be run: "):
        policy = _load(path, mtime_ns)
    if seam is not None and policy.seam != seam:
        raise Misuse(f"{path} is no {seam}: its class has the methods of a {policy.seam}")
    return policy


@lru_cache
def _load(path: str, mtime_ns: int) -> OwnPolicy:
    module = _run(path)
    classes = [cls for cls in vars(module).values() if inspect.isclass(cls)]
    seams = {cls: _seam_of(cls) for cls in classes if cls.__module__ == module.__name__}
    policies = [(cls, seam) for cls, seam in seams.items() if seam is not None]
    if not policies:
        raise PolicyError(path, None, "there is no policy: write a class with the methods of a seam")
    if len(policies) > 1:
        names = ", ".join(cls.__name__ for cls, _ in policies)
        raise PolicyError(path, None, f"there are several policies ({names}): keep one in a file")
    cls, seam = policies[0]
    for hook, method in hooks_of(seam).items():
        if hook in OPTIONAL and not hasattr(cls, hook):
            # That of the protocol does nothing.
            setattr(cls, hook, method)
        _check_hook(path, cls, hook, method)
    return OwnPolicy(path, seam, cls)


def _run(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"pfnlab_own_{Path(path).stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def guarded(path: str, hook: str | None, prefix: str = "it raised ") -> Iterator[None]:
    """A user's code goes on within this context: an exception it raises is its own fault.

    Exceptions that the protocol allows go through, and so do those that end the program or a task.

    :param prefix: the beginning of the message
    :raises PolicyError: it raised another exception, did not return in time, or damaged the process
    """
    try:
        with own_code(path, hook):
            yield
    except (ModelledErrno, Undecided, PolicyError, GreenletExit):
        raise
    except TooLong:
        raise PolicyError(path, hook, too_long()) from None
    except BaseException as trouble:
        if isinstance(trouble, KeyboardInterrupt) and may_be_interrupted():
            raise
        text = _text_of(trouble, path, hook)
        raise PolicyError(path, hook, f"{prefix}{type(trouble).__name__}{text and f': {text}'}") from trouble


def _text_of(trouble: BaseException, path: str, hook: str | None) -> str:
    """The text of an exception on one line, which is of a user's code as well."""
    try:
        with own_code(path, hook):
            return " ".join(str(trouble).split())[:_MOST_TEXT]
    except BaseException:
        return ""


def _seam_of(cls: type) -> str | None:
    """The seam whose methods *cls* has most of, not counting the check."""
    hooks = {
        seam: sum(hasattr(cls, hook) for hook in hooks_of(seam) if hook != "_check") for seam in PROTOCOLS
    }
    most = max(hooks, key=lambda seam: hooks[seam])
    return most if hooks[most] else None


def _check_hook(path: str, cls: type, hook: str, method: Callable[..., Any]) -> None:
    """Check that *cls* has the method, with the parameters it will be called with."""
    names = list(inspect.signature(method).parameters)[1:]
    if not callable(getattr(cls, hook, None)):
        raise PolicyError(
            path, hook, f"{cls.__name__} has no such method: add {hook}(self, {', '.join(names)})"
        )
    try:
        inspect.signature(getattr(cls, hook)).bind(None, *names)
    except TypeError:
        raise PolicyError(path, hook, f"it is called with ({', '.join(names)})") from None
