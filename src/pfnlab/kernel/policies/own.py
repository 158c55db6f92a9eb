"""A user-defined policy: a file with a single class, which has the methods of a seam.

The file is run as a module, and the methods of its class show which seam it is for. There is nothing to
register: ``model:7.2,tracker=path/to/mine.py`` names the file.
"""

import importlib.util
import inspect
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pfnlab.base.errors import Misuse, PolicyError
from pfnlab.base.files import MOST_WRITTEN, check_regular
from pfnlab.base.inert import visible_name
from pfnlab.base.own_code import note_code, note_file, own_mistakes
from pfnlab.kernel.mm.gather import FlushPlacement
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.walk_policy import WalkerPolicy

#: The protocol of each seam, by the seam's name in machine names.
PROTOCOLS: dict[str, type] = {"tracker": Tracker, "flush": FlushPlacement, "walker": WalkerPolicy}

#: The type that each method must return; methods not listed return nothing.
RETURNS: dict[str, type] = {
    "remap_pfn_range": int,
    "memremap_pages": int,
    "vmf_insert_pfn": int,
    "tracked": list,
    "walk_page_test": bool,
    "vm_normal_page": bool,
}

#: Methods that a policy may leave out.
OPTIONAL = ("unmap_region", "tlb_gather_mmu", "tlb_reset_range", "remap_pfn_range_filled", "vma_prepare")


def hooks_of(seam: str) -> dict[str, Callable[..., Any]]:
    """The methods that *seam*'s protocol requires, in the protocol's order."""
    members = vars(PROTOCOLS[seam]).items()
    return {
        name: member
        for name, member in members
        if inspect.isfunction(member) and (not name.startswith("_") or name == "_check")
    }


class OwnPolicy(NamedTuple):
    """A policy loaded from a file.

    :param path: the file, as the user named it
    :param seam: ``tracker``, ``flush`` or ``walker``
    :param make: the class; a tracker's is called with the kernel, all others without arguments
    """

    path: str
    seam: str
    make: Callable[..., Any]


def is_path(name: str) -> bool:
    """True if *name* is a file name rather than a policy in this package."""
    return name.endswith(".py")


def files_in(machine: str) -> list[str]:
    """The policy files in a machine name, e.g. ``model:7.2,tracker=mine.py``.

    Creating that machine executes these files.
    """
    values = [change.partition("=")[2] for change in machine.split(",")]
    return [value for value in values if is_path(value)]


def load_policy(path: str, seam: str | None = None) -> OwnPolicy:
    """The policy in the file at *path*, which is run only once unless it changes.

    :param seam: the seam that it must be for; None for any
    :raises Misuse: if there is no such file, or it is for another seam
    :raises PolicyError: if the file cannot be run, has no policy or more than one, or
        its policy lacks a method
    """
    if not is_path(path):
        raise Misuse(f"{visible_name(path)} is not a Python file: name one, FILE.py, with a policy in it")
    mtime_ns = check_regular(Path(path), "policy", MOST_WRITTEN).st_mtime_ns
    note_file(path)
    with own_mistakes(path, None, "it cannot be run: "):
        policy = _load(path, mtime_ns)
    if seam is not None and policy.seam != seam:
        raise Misuse(f"{path} is not a {seam}: its class has the methods of a {policy.seam}")
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
            # The protocol's own method, which does nothing.
            setattr(cls, hook, method)
        _check_hook(path, cls, hook, method)
    for part in [part for base in _own_bases(cls) for part in vars(base).values()]:
        if inspect.isfunction(part):
            note_code(path, part.__code__)
    for hook, expected in RETURNS.items():
        if _is_own(getattr(cls, hook, None)):
            setattr(cls, hook, _returning(path, hook, getattr(cls, hook), expected))
    return OwnPolicy(path, seam, cls)


def _own_bases(cls: type) -> list[type]:
    """The class and its bases, without those from this package and from Python itself."""
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in _NOT_OWN]


#: The modules whose classes do not count as user-defined.
_NOT_OWN = ("pfnlab", "builtins", "typing", "abc")


def _is_own(method: Any) -> bool:
    return inspect.isfunction(method) and method.__module__.partition(".")[0] not in _NOT_OWN


@cache
def has_own_check(kind: type) -> bool:
    """True if *kind* has a user-defined check where this package's classes have none."""
    return _is_own(getattr(kind, "_check", None))


def _returning(path: str, hook: str, method: Callable[..., Any], expected: type) -> Callable[..., Any]:
    """*method* with a check on its result, because mm would otherwise fail far from the cause."""

    @wraps(method)
    def call(*arguments: Any) -> Any:
        result = method(*arguments)
        if not isinstance(result, expected) or (expected is int and isinstance(result, bool)):
            what = f"it has to return {expected.__name__}, and here it returned {result!r}"
            raise PolicyError(path, hook, what)
        return result

    return call


def _run(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"pfnlab_own_{Path(path).stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _seam_of(cls: type) -> str | None:
    """The seam to which most methods of *cls* belong, not counting the check."""
    hooks = {
        seam: sum(hasattr(cls, hook) for hook in hooks_of(seam) if hook != "_check") for seam in PROTOCOLS
    }
    most = max(hooks, key=lambda seam: hooks[seam])
    return most if hooks[most] else None


def _check_hook(path: str, cls: type, hook: str, method: Callable[..., Any]) -> None:
    """Check that *cls* has the method, and that it accepts the arguments it is called with."""
    names = list(inspect.signature(method).parameters)[1:]
    if not callable(getattr(cls, hook, None)):
        raise PolicyError(
            path, hook, f"{cls.__name__} has no such method: add {hook}(self, {', '.join(names)})"
        )
    try:
        inspect.signature(getattr(cls, hook)).bind(None, *names)
    except TypeError:
        raise PolicyError(path, hook, f"it is called with ({', '.join(names)})") from None
