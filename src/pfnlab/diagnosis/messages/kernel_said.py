"""The kernel that printed lines: its version if a line states it, else the releases with this wording."""

import re
from enum import Enum
from functools import cache, lru_cache

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import package_tables
from pfnlab.kernel.bugs.distributions import Backports
from pfnlab.kernel.bugs.kernel_name import kernel_name, release_key

_VERSION = r"(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:[-+~.][\w.+~-]{1,80})?)"
#: The first line of a boot.
BANNER = re.compile(rf"\bLinux version {_VERSION}")

_SAID = (
    re.compile(rf"(?:Not tainted|Tainted: [A-Z ]{{1,32}}?)\s+\(?{_VERSION}(?=\s|\)|$)"),
    re.compile(rf"\bLinux [\w.-]{{1,64}} {_VERSION} #\d"),
    re.compile(rf"/lib/modules/{_VERSION}/"),
    re.compile(rf"\bvmlinuz-{_VERSION}(?=\s|$)"),
    re.compile(rf"^\S{{0,40}}[#$] uname -r\s+{_VERSION}(?=\s|$)"),
    re.compile(r"/linux(?:-[a-z][\w.]{0,40}){0,3}-(\d\.\d{1,3}(?:\.\d{1,3})?)/(?:mm|arch|drivers|kernel)/"),
)

#: A version that hides its point release, and the release that a distribution says it was built from.
_HIDDEN = re.compile(r"(?P<release>\d{1,2}\.\d{1,3})\.0-")
_BUILT_FROM = re.compile(
    r"\bDebian (?:\d+:)?(?P<debian>\d{1,2}\.\d{1,3}\.\d{1,4})-"
    r"|\(Ubuntu \S{1,60} (?P<ubuntu>\d{1,2}\.\d{1,3}\.\d{1,4})\)"
)

#: Text found in every line that may have a version.
VERSION_WORDS = ("Linux version", "Not tainted", "Tainted:", "/lib/modules/", "vmlinuz-", "uname -r", " SMP")
#: Text that these patterns require; hardly any line has it.
_VERSION_PARTS = ("Linux ", "ainted", "/lib/modules/", "vmlinuz-", "uname -r", "/linux")


class KernelSure(Enum):
    """The source of a kernel's version."""

    GIVEN = "given"
    SAID = "said"
    WORDING = "by the wording"
    UNKNOWN = "not known"


class KernelSaid(msgspec.Struct, frozen=True):
    """The kernel in a boot, or the releases that it may be.

    :param version: e.g. ``6.1.85-1-generic``; empty if the wording is the only hint
    :param since: the first release with all wordings in the boot; empty if unbounded
    :param until: the last such release
    """

    version: str = ""
    sure: KernelSure = KernelSure.UNKNOWN
    since: str = ""
    until: str = ""

    def within(self, since: str, until: str) -> bool | None:
        """True if the kernel lies between two releases, inclusive; None if unknown."""
        if not (since or until):
            return True
        return _within(self.version, self.since, self.until, since, until)


@lru_cache(maxsize=1 << 10)
def _within(version: str, oldest: str, newest: str, since: str, until: str) -> bool | None:
    first, last = _release(oldest), _release(newest)
    if version:
        try:
            name = kernel_name(version)
        except Misuse:
            first = last = None
        else:
            first = name.mainline[:3]
            # Such a kernel may have features of any later release.
            is_frozen = name.distribution is not None and name.distribution.backports is Backports.ANY
            last = None if is_frozen else first
    low, high = _release(since), _release(until)
    if (high and first and first > high) or (low and last and last < low):
        return False
    is_after = not low or (first is not None and first >= low)
    is_before = not high or (last is not None and last <= high)
    return True if is_after and is_before else None


def _release(text: str) -> tuple[int, ...] | None:
    return release_key(text)[:3] if text else None


def version_in(text: str) -> str | None:
    """Return the kernel version in a line, or None."""
    for part in _VERSION_PARTS:
        if part in text:
            break
    else:
        return None
    for pattern in (BANNER, *_SAID):
        found = pattern.search(text)
        if found is not None:
            version = found[1].rstrip(".-")
            said = f"{version} ({built})" if (built := _built_from(version, text)) else version
            return said if _is_kernel(said) else None
    return None


def _is_kernel(name: str) -> bool:
    """True if the bugs of such a kernel can be looked up; a damaged banner may have any text here."""
    try:
        kernel_name(name)
    except Misuse:
        return False
    return True


def _built_from(version: str, text: str) -> str:
    """Return the stable release of a packaged kernel if its version hides it but the line has it."""
    hidden = _HIDDEN.match(version)
    if hidden is None:
        return ""
    # The line also names the compiler's package.
    said = (found["debian"] or found["ubuntu"] for found in _BUILT_FROM.finditer(text))
    return next((one for one in said if one.startswith(f"{hidden['release']}.")), "")


def narrowed(ranges: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the first and last release that has all of several wordings; both empty if none does.

    Either is empty if unbounded.
    """
    since = max((first for first, _ in ranges if first), key=release_key, default="")
    until = min((last for _, last in ranges if last), key=release_key, default="")
    if since and until and release_key(since) > release_key(until):
        return "", ""
    return since, until


class Dating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a line that only some releases print.

    :param text: a regex that matches it
    :param since: the first release with it; empty if unknown; *until* is the last one
    """

    text: str
    since: str = ""
    until: str = ""


class _DatingFile(msgspec.Struct, forbid_unknown_fields=True):
    dating: tuple[Dating, ...]


_DATINGS = package_tables(__package__, "datings.toml", _DatingFile).dating


#: A line with none of these words cannot be dated; that is nearly every line.
_MAY_BE_DATED = re.compile(r"WARNING: |\.[chS]:\d|\+0x|UID: |\[vfio_pci_core\]|^[RE]IP: ")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Dating], ...]:
    return tuple((re.compile(one.text), one) for one in _DATINGS)


def dated(text: str) -> list[Dating]:
    """Return the parts of a line that date it."""
    if _MAY_BE_DATED.search(text) is None:
        return []
    return [one for pattern, one in _patterns() if pattern.search(text)]
