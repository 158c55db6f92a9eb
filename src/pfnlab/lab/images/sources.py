"""Which Debian archive kernels come from: the one somebody names, else that of the machine's own apt sources.

``PFNLAB_MIRROR`` names one for us alone, on Ubuntu for instance: the machine's own sources stay as they are.
Of those both forms are read: deb822 stanzas (``*.sources``) and one-line entries (``*.list``). What a machine
says about trust beyond its keyring (``trusted=yes``, ``allow-insecure=yes``) is not taken over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pfnlab.errors import MissingTool, Misuse

#: Where the machine keeps its apt configuration.
APT_ETC = Path("/etc/apt")

#: The keyring of Debian's archive, for entries that name none; the newer suffix first.
DEBIAN_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)

#: Variables that name a mirror of Debian's archive (and behind it that of the security archive, where it does
#: not lie beside it), and the keyring both are checked with.
MIRROR, KEYRING = "PFNLAB_MIRROR", "PFNLAB_KEYRING"

_RELEASE = (
    "(?:(?:old){0,2}stable|testing|unstable|sid|experimental|rc-buggy|bullseye|bookworm|trixie|forky|duke)"
)
_MAIN_SUITE = re.compile(rf"{_RELEASE}(?:-updates|-proposed-updates|-backports(?:-sloppy)?)?")
_SECURITY_SUITE = re.compile(rf"{_RELEASE}(?:-security|/updates)")


@dataclass(frozen=True)
class Source:
    """One enabled entry for binary packages.

    :param signed_by: keyring paths or a whole key as the entry has them; empty when it has none
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Mirror:
    """A place Debian packages come from, and the keyring its signatures are checked with."""

    uri: str
    signed_by: str


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 file, field names in lower case; comments vanish wherever they stand."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t":
            if last:
                fields[last] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()


def parse_deb822(text: str) -> list[Source]:
    """The enabled binary entries of a ``*.sources`` file."""
    found = []
    for fields in stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable", "0"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        found.append(
            Source(
                uris=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", "").strip(),
            )
        )
    return found


def parse_one_line(text: str) -> list[Source]:
    """The binary entries of a ``*.list`` file; ``#`` starts a comment, options stand in brackets."""
    found = []
    for raw in text.splitlines():
        entry = re.fullmatch(
            r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)",
            raw.partition("#")[0].strip(),
        )
        if entry is None:
            continue
        options = dict(
            (name.lower().rstrip("+"), value)
            for name, _, value in (option.partition("=") for option in (entry["options"] or "").split())
        )
        found.append(
            Source(
                uris=(entry["uri"],),
                suites=(entry["suite"],),
                components=tuple(entry["components"].split()),
                signed_by=options.get("signed-by", ""),
            )
        )
    return found


def read_sources(etc: Path) -> list[Source]:
    """Every enabled binary entry under *etc* (``/etc/apt``), in apt's own order of files."""
    parts = etc / "sources.list.d"
    files = [etc / "sources.list"]
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    found: list[Source] = []
    for path in files:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        found += parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
    return found


def named_mirrors(environment: Mapping[str, str]) -> tuple[Mirror, Mirror | None] | None:
    """
    The mirrors ``PFNLAB_MIRROR`` names; None when it names none.

    One whose name ends in ``/debian`` has the security archive beside it, in ``debian-security``.

    :raises Misuse: it is no URI, or there is no such keyring
    :raises MissingTool: no keyring is named, and there is none of Debian on this machine
    """
    uris = environment.get(MIRROR, "").split()
    if not uris:
        return None
    for uri in uris:
        if not re.match(r"[a-z+]+:/", uri):
            raise Misuse(f"{MIRROR}: {uri} is no mirror: write a URI, as http://HOST/debian or file:/DIR")
    if len(uris) > 2:
        raise Misuse(f"{MIRROR}: write one URI, or that of the security archive behind it")
    keyring = environment.get(KEYRING, "")
    if keyring and not Path(keyring).is_file():
        raise Misuse(f"{KEYRING}: there is no file {keyring}")
    signed_by = str(Path(keyring).absolute()) if keyring else _debian_keyring()
    main = uris[0].rstrip("/")
    beside = f"{main}-security" if main.endswith("/debian") else None
    security = uris[1] if len(uris) == 2 else beside
    return Mirror(main, signed_by), Mirror(security, signed_by) if security else None


def debian_mirrors(found: list[Source], etc: Path = APT_ETC) -> tuple[Mirror, Mirror | None]:
    """
    The main Debian mirror among *found*, and the security one if there is any.

    :param etc: where the entries came from, for the message
    :raises MissingTool: no entry is for a Debian release, or no keyring for it is known
    """
    main = _best(found, _MAIN_SUITE)
    if main is None:
        raise MissingTool(
            f"no apt source under {etc} is a Debian archive: name a mirror of it with {MIRROR}=URI or "
            "--mirror URI, for pfnlab alone (leave the machine's own sources as they are), or give a kernel "
            "of your own with qemu:FILE"
        )
    return main, _best(found, _SECURITY_SUITE)


def _best(found: list[Source], suite: re.Pattern[str]) -> Mirror | None:
    # Third parties name their suites after Debian's releases too: Debian's keyring, then a path like
    # Debian's, tell the archive itself; among equals the first entry wins.
    ranked: list[tuple[int, str, Source]] = []
    for source in found:
        if "main" not in source.components or not any(suite.fullmatch(name) for name in source.suites):
            continue
        for uri in source.uris:
            if uri.startswith("cdrom:"):
                continue
            named = bool(re.search(r"/debian(-security)?(/|$)", uri))
            ranked.append((-2 * ("debian-archive" in source.signed_by) - named, uri, source))
    if not ranked:
        return None
    _, uri, source = min(ranked, key=lambda one: one[0])
    return Mirror(uri, _keyring(source))


def _keyring(source: Source) -> str:
    # A path or a whole key is used as it stands; a fingerprint points into keyrings we do not read.
    if source.signed_by.startswith("/") or "-----BEGIN" in source.signed_by:
        return source.signed_by
    return _debian_keyring()


def _debian_keyring() -> str:
    for path in DEBIAN_KEYRINGS:
        if path.exists():
            return str(path)
    raise MissingTool(
        "no keyring of the Debian archive is on this machine: apt-get install debian-archive-keyring, which "
        f"Ubuntu has as well, or name a file with {KEYRING}"
    )
