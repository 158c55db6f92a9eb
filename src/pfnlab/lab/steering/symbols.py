"""Symbols of a guest's kernel, by name and by address; cached, since without KASLR they never move."""

from __future__ import annotations

import bisect
import functools
import re
from copy import copy
from pathlib import Path

from pfnlab.base.errors import Undecided
from pfnlab.base.spelling import near_words
from pfnlab.lab.images.cache import cache_root, sha256_of, trusted, write_cached
from pfnlab.lab.vm.qemu import Guest

_LIMIT = 60.0
_LARGEST_FUNCTION = 0x10000
_END = "done symbols"

#: Direct calls and jumps with a 32-bit displacement, at any byte; a false match does not hit a function.
_BRANCH = re.compile(rb"(?=(?:\xe8|\xe9|\x0f[\x80-\x8f])(.{4}))", re.DOTALL)


class Symbols:
    """The symbols in ``/proc/kallsyms``, as lines ``ADDRESS TYPE NAME``; *kernel* is its name in messages."""

    def __init__(self, text: str, kernel: str = "this kernel") -> None:
        self._kernel = kernel
        self._addresses: dict[str, int] = {}
        functions: dict[int, str] = {}
        for line in text.splitlines():
            address, _, rest = line.partition(" ")
            kind, _, name = rest.partition(" ")
            if not name:
                continue
            at = int(address, 16)
            self._addresses.setdefault(name, at)
            if kind in "tTwW":
                functions.setdefault(at, name)
        self._starts = sorted(functions)
        self._names = [functions[start] for start in self._starts]

    def including(self, text: str) -> Symbols:
        """These symbols plus those in *text*, e.g. from a module; of equal names the first one counts."""
        others = Symbols(text)
        both = copy(self)
        both._addresses = {**others._addresses, **self._addresses}
        functions = dict(zip(others._starts, others._names, strict=True))
        functions.update(zip(self._starts, self._names, strict=True))
        both._starts = sorted(functions)
        both._names = [functions[start] for start in both._starts]
        return both

    def __contains__(self, name: str) -> bool:
        return name in self._addresses

    def address(self, name: str) -> int:
        """The address of *name*; Undecided if it is not a symbol, e.g. because it is inlined or renamed."""
        if name not in self._addresses:
            near_names = near_words(name, self._names)
            hint = f"; near: {', '.join(near_names)}" if near_names else ""
            raise Undecided(f"{self._kernel} has no symbol `{name}`{hint}")
        return self._addresses[name]

    def extent(self, name: str) -> tuple[int, int]:
        """The address of function *name*, and its maximum size in bytes; errors as in `address`."""
        start = self.address(name)
        next_index = bisect.bisect_right(self._starts, start)
        end = self._starts[next_index] if next_index < len(self._starts) else start
        return start, min(end - start, _LARGEST_FUNCTION)

    def called(self, code: bytes, start: int) -> list[str]:
        """The functions that the x86 *code* at address *start* calls or jumps to, each once, in order."""
        names: dict[str, None] = {}
        for match in _BRANCH.finditer(code):
            target = start + match.end(1) + int.from_bytes(match[1], "little", signed=True)
            at = bisect.bisect_left(self._starts, target)
            if at < len(self._starts) and self._starts[at] == target:
                names[self._names[at]] = None
        return list(names)

    def function(self, address: int) -> str | None:
        """The function at *address*, without the compiler's suffix after a dot; None outside functions."""
        place = self.place(address)
        return None if place is None else place[0].partition(".")[0]

    def place(self, address: int) -> tuple[str, int] | None:
        """The function at *address*, with the compiler's suffix, and the offset; None outside functions."""
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0 or address - self._starts[at] >= _LARGEST_FUNCTION:
            return None
        return self._names[at], address - self._starts[at]

    def functions_outside(self, first: str, end: str) -> list[str]:
        """The functions outside the range of symbols from *first* to *end*, in address order."""
        outside = range(self.address(first), self.address(end))
        return [name for start, name in zip(self._starts, self._names, strict=True) if start not in outside]


def kernel_symbols(guest: Guest, vmlinuz: Path) -> Symbols:
    """The symbols of *vmlinuz*, read once from *guest*, which runs it, then cached; LostGuest on failure."""
    path = cache_root() / "symbols" / f"{sha256_of(vmlinuz)[:16]}.kallsyms"
    if not trusted(path).exists():
        write_cached(path, _symbol_text(guest, "symbols\n"))
    return _symbols_in(path, guest.hello.release)


@functools.lru_cache(maxsize=2)
def _symbols_in(path: Path, release: str) -> Symbols:
    # All guests of a kernel share them, and reading them takes as long as a boot.
    return Symbols(path.read_text(), release)


def module_symbols(guest: Guest, module: str) -> str:
    """A module's symbols in this boot, for `Symbols.including`; Undecided if it is not loaded."""
    text = _symbol_text(guest, f"symbols {module}\n")
    if not text:
        raise Undecided(f"the guest has no module `{module}` loaded")
    return text


def _symbol_text(guest: Guest, request: str) -> str:
    text, end, _ = guest.request(request, _LIMIT).rpartition(_END)
    if not end:
        raise Undecided("the guest's symbols are incomplete")
    return text
