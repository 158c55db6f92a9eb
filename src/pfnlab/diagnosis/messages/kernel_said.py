"""The kernel that lines are of: its version where one says it, else the releases that print them so."""

import re
from enum import Enum

import msgspec

from pfnlab.diagnosis.messages.cases import KernelRange
from pfnlab.kernel.bugs.kernel_name import release_key

_VERSION = r"(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:[-+~.][\w.+~-]{1,80})?)"
#: The line a boot begins with.
BANNER = re.compile(rf"\bLinux version {_VERSION}")

_SAID = (
    re.compile(rf"(?:Not tainted|Tainted: [A-Z ]{{1,32}}?)\s+\(?{_VERSION}(?=\s|\)|$)"),
    re.compile(rf"\bLinux [\w.-]{{1,64}} {_VERSION} #\d"),
    re.compile(rf"/lib/modules/{_VERSION}/"),
    re.compile(rf"\bvmlinuz-{_VERSION}(?=\s|$)"),
    re.compile(rf"^\S{{0,40}}[#$] uname -r\s+{_VERSION}(?=\s|$)"),
    re.compile(r"/linux(?:-[a-z][\w.]{0,40}){0,3}-(\d\.\d{1,3}(?:\.\d{1,3})?)/(?:mm|arch|drivers|kernel)/"),
)

#: What a line has in which a version may stand.
VERSION_WORDS = ("Linux version", "Not tainted", "Tainted:", "/lib/modules/", "vmlinuz-", "uname -r", " SMP")
#: What each of these patterns has in it; nearly no line has one of them.
_VERSION_PARTS = ("Linux ", "ainted", "/lib/modules/", "vmlinuz-", "uname -r", "/linux")


class KernelSure(Enum):
    """How a kernel's version is known."""

    GIVEN = "given"
    SAID = "said"
    WORDING = "by the wording"
    UNKNOWN = "not known"


class KernelSaid(msgspec.Struct, frozen=True):
    """The kernel of a boot.

    :param version: as ``6.1.85-1-generic``; empty if only the wording says something
    :param since: the first release with all wordings of the boot, empty if any may have them
    :param until: the last one
    """

    version: str = ""
    sure: KernelSure = KernelSure.UNKNOWN
    since: str = ""
    until: str = ""

    @property
    def range(self) -> KernelRange:
        """The releases that it may be of."""
        return KernelRange(self.version, self.since, self.until)


def version_in(text: str) -> str | None:
    """The kernel's version that a line says, None if it says none."""
    for part in _VERSION_PARTS:
        if part in text:
            break
    else:
        return None
    for pattern in (BANNER, *_SAID):
        found = pattern.search(text)
        if found is not None:
            return found[1].rstrip(".-")
    return None


def narrowed(ranges: list[tuple[str, str]]) -> tuple[str, str]:
    """The first and last release with all of several wordings; empty for no bound, both if none has all."""
    since = max((first for first, _ in ranges if first), key=release_key, default="")
    until = min((last for _, last in ranges if last), key=release_key, default="")
    if since and until and release_key(since) > release_key(until):
        return "", ""
    return since, until
