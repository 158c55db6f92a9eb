"""The Debian archive that kernels come from: a mirror named in a variable, or the machine's apt sources.

``PFNLAB_MIRROR`` names a mirror for pfnlab alone, e.g. on Ubuntu, and leaves the machine's own sources
unchanged. Both formats of apt sources are read: deb822 stanzas (``*.sources``) and one-line entries
(``*.list``). Trust options other than the keyring (``trusted=yes``, ``allow-insecure=yes``) are ignored.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import MissingTool, Misuse

#: The machine's apt configuration.
APT_ETC = Path("/etc/apt")

#: Keyrings of the Debian archive, for entries that name no keyring; the newer suffix comes first.
DEBIAN_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)

#: Environment variables: a mirror of the Debian archive (optionally followed by a mirror of the security
#: archive, if that is not next to it), and the keyring for both.
MIRROR, KEYRING = "PFNLAB_MIRROR", "PFNLAB_KEYRING"

_RELEASE = (
    "(?:(?:old){0,2}stable|testing|unstable|sid|experimental|rc-buggy|bullseye|bookworm|trixie|forky|duke)"
)
_MAIN_SUITE = re.compile(rf"{_RELEASE}(?:-updates|-proposed-updates|-backports(?:-sloppy)?)?")
_SECURITY_SUITE = re.compile(rf"{_RELEASE}(?:-security|/updates)")


@dataclass(frozen=True)
class Source:
    """An enabled entry for binary packages.

    :param signed_by: keyring paths or a complete key, as written in the entry; empty if it has neither
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Mirror:
    """A source of Debian packages, and the keyring that verifies its signatures."""

    uri: str
    signed_by: str


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 file, without comments, field names in lower case."""
    fields: dict[str, str] = {}
    field = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, field = {}, ""
        elif line[0] in " \t":
            if field:
                fields[field] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            field = name.strip().lower()
            fields[field] = value.strip()


def parse_deb822(text: str) -> list[Source]:
    """The enabled binary entries in a ``*.sources`` file."""
    sources = []
    for fields in stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable", "0"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        sources.append(_source(fields))
    return sources


def parse_one_line(text: str) -> list[Source]:
    """The binary entries in a ``*.list`` file, where ``#`` starts a comment and options are in brackets."""
    sources = []
    for line in text.splitlines():
        entry = re.fullmatch(
            r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uris>\S+)\s+(?P<suites>\S+)(?P<components>.*)",
            line.partition("#")[0].strip(),
        )
        if entry is None:
            continue
        options = (option.partition("=") for option in (entry["options"] or "").split())
        names = {name.lower().rstrip("+"): value for name, _, value in options}
        sources.append(_source({**names, **entry.groupdict()}))
    return sources


def _source(fields: Mapping[str, str]) -> Source:
    uris, suites, components = (
        tuple(fields.get(name, "").split()) for name in ("uris", "suites", "components")
    )
    return Source(uris, suites, components, fields.get("signed-by", "").strip())


def read_sources(etc: Path) -> list[Source]:
    """All enabled binary entries under *etc* (``/etc/apt``), in the order in which apt reads the files."""
    parts = etc / "sources.list.d"
    files = [etc / "sources.list"]
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    sources: list[Source] = []
    for path in files:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        sources += parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
    return sources


def named_mirrors(environment: Mapping[str, str]) -> tuple[Mirror, Mirror | None] | None:
    """The mirrors that ``PFNLAB_MIRROR`` names; None if it is not set.

    A mirror whose URI ends in ``/debian`` has the security archive next to it, in ``debian-security``.

    :raises Misuse: if a value is not a URI, or there is no such keyring
    :raises MissingTool: if no keyring is named, and Debian's is not installed
    """
    uris = environment.get(MIRROR, "").split()
    if not uris:
        return None
    for uri in uris:
        if not re.match(r"[a-z+]+:/", uri):
            raise Misuse(
                f"{MIRROR}: {uri} is not a mirror: write a URI, e.g. http://HOST/debian or file:/DIR"
            )
    if len(uris) > 2:
        raise Misuse(f"{MIRROR}: write one URI, optionally followed by that of the security archive")
    keyring = environment.get(KEYRING, "")
    if keyring and not Path(keyring).is_file():
        raise Misuse(f"{KEYRING}: no such file: {keyring}")
    signed_by = str(Path(keyring).absolute()) if keyring else _debian_keyring()
    main = uris[0].rstrip("/")
    sibling = f"{main}-security" if main.endswith("/debian") else None
    security = uris[1] if len(uris) == 2 else sibling
    return Mirror(main, signed_by), Mirror(security, signed_by) if security else None


def debian_mirrors(sources: list[Source], etc: Path = APT_ETC) -> tuple[Mirror, Mirror | None]:
    """The main Debian mirror among *sources*, which were read from *etc*, and the security mirror, if any.

    :raises MissingTool: if no entry is for a Debian release, or its keyring is not known
    """
    main = _best_mirror(sources, _MAIN_SUITE)
    if main is None:
        raise MissingTool(
            f"no apt source under {etc} is a Debian archive: name a mirror with {MIRROR}=URI or "
            "--mirror URI, for pfnlab alone (do not change the machine's own sources), or give your own "
            "kernel with qemu:FILE"
        )
    return main, _best_mirror(sources, _SECURITY_SUITE)


def _best_mirror(sources: list[Source], suite: re.Pattern[str]) -> Mirror | None:
    # Third parties also name their suites after Debian releases. The archive itself is recognized by Debian's
    # keyring, then by a path like Debian's; among equals the first entry wins.
    candidates: list[tuple[int, str, Source]] = []
    for source in sources:
        if "main" not in source.components or not any(suite.fullmatch(name) for name in source.suites):
            continue
        for uri in source.uris:
            if uri.startswith("cdrom:"):
                continue
            is_debian_path = bool(re.search(r"/debian(-security)?(/|$)", uri))
            candidates.append((-2 * ("debian-archive" in source.signed_by) - is_debian_path, uri, source))
    if not candidates:
        return None
    _, uri, source = min(candidates, key=lambda candidate: candidate[0])
    # A path or a complete key is used as is; a fingerprint refers to keyrings that are not read here.
    if source.signed_by.startswith("/") or "-----BEGIN" in source.signed_by:
        return Mirror(uri, source.signed_by)
    return Mirror(uri, _debian_keyring())


def _debian_keyring() -> str:
    if here := next((path for path in DEBIAN_KEYRINGS if path.exists()), None):
        return str(here)
    raise MissingTool(
        "the keyring of the Debian archive is not installed: apt-get install debian-archive-keyring, which "
        f"Ubuntu has too, or name a file with {KEYRING}"
    )
