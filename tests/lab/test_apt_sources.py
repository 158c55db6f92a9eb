"""Apt sources: both forms, their oddities, and which entry is Debian's archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.base.errors import MissingTool, Misuse
from pfnlab.lab.images import sources
from pfnlab.lab.images.sources import Mirror, Source


def test_deb822_comment_inside_a_stanza_is_ignored() -> None:
    """
    A comment between two fields of a stanza does not end it.
    """
    text = "Types: deb\n# http://other\nURIs: http://a/debian\nSuites: trixie\nComponents: main\n"

    found = sources.parse_deb822(text)

    assert [Source(("http://a/debian",), ("trixie",), ("main",))] == found


def test_deb822_several_suites_on_a_line() -> None:
    """
    One stanza may name several suites and several addresses.
    """
    text = "Types: deb deb-src\nURIs: http://a http://b\nSuites: sid trixie\nComponents: main contrib\n"

    found = sources.parse_deb822(text)

    assert [Source(("http://a", "http://b"), ("sid", "trixie"), ("main", "contrib"))] == found


def test_deb822_field_names_have_no_case_and_values_may_continue() -> None:
    """
    Field names are read in any case, and a value goes on in indented lines.
    """
    text = "types: deb\nURIS: http://a\nSuites:\n trixie\n# no\n\ttrixie-updates\ncomponents: main\n"

    found = sources.parse_deb822(text)

    assert [Source(("http://a",), ("trixie", "trixie-updates"), ("main",))] == found


def test_deb822_disabled_stanza_is_left_out() -> None:
    """
    A stanza with Enabled: no does not count, the next one does.
    """
    text = (
        "Enabled: no\nTypes: deb\nURIs: http://a\nSuites: sid\nComponents: main\n \n"
        "Types: deb\nURIs: http://b\nSuites: sid\nComponents: main\n"
    )

    found = sources.parse_deb822(text)

    assert [("http://b",)] == [source.uris for source in found]


def test_deb822_source_packages_alone_are_left_out() -> None:
    """
    A stanza of type deb-src holds no kernels.
    """
    found = sources.parse_deb822("Types: deb-src\nURIs: http://a\nSuites: sid\nComponents: main\n")

    assert [] == found


def test_deb822_embedded_key_is_kept_whole() -> None:
    """
    A key written into the stanza keeps its lines, the blank one as a dot.
    """
    text = "Types: deb\nURIs: u\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n mQ\n"

    found = sources.parse_deb822(text)

    assert "-----BEGIN PGP\n.\nmQ" == found[0].signed_by


def test_one_line_options_and_comment() -> None:
    """
    Options stand in brackets, and what follows a hash is a comment.
    """
    text = "# deb http://no sid main\ndeb [signed-by=/k.gpg arch=amd64] http://a trixie main contrib#x\n"

    found = sources.parse_one_line(text)

    assert [Source(("http://a",), ("trixie",), ("main", "contrib"), "/k.gpg")] == found


def test_one_line_spaces_inside_brackets() -> None:
    """
    Blanks inside the brackets and tabs between the words change nothing.
    """
    found = sources.parse_one_line("deb\t[ arch=amd64,i386  signed-by=/k.gpg ]\thttp://a   sid\tmain")

    assert [Source(("http://a",), ("sid",), ("main",), "/k.gpg")] == found


def test_trust_given_by_the_machine_is_not_taken_over() -> None:
    """
    trusted=yes leaves no trace in what is read.
    """
    found = sources.parse_one_line("deb [trusted=yes] http://a sid main")

    assert [Source(("http://a",), ("sid",), ("main",))] == found


def test_files_of_other_names_are_not_read(tmp_path: Path) -> None:
    """
    Only *.list and *.sources count, as for apt.
    """
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a.list").write_text("deb http://a sid main\n")
    (parts / "b.list.disabled").write_text("deb http://b sid main\n")
    (parts / "c.sources").write_text("Types: deb\nURIs: http://c\nSuites: sid\nComponents: main\n")

    found = sources.read_sources(tmp_path)

    assert [("http://a",), ("http://c",)] == [source.uris for source in found]


def test_third_party_source_named_after_a_release_is_not_the_mirror() -> None:
    """
    Of two sources for stable main, the one with Debian's keyring is Debian's.
    """
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    found = [
        Source(("https://dl.example.com/browser/deb",), ("stable",), ("main",), "/keys/browser.gpg"),
        Source(("http://mirror/d",), ("bookworm",), ("main",), keyring),
    ]

    main, security = sources.debian_mirrors(found)

    assert (Mirror("http://mirror/d", keyring), None) == (main, security)


def test_security_mirror_is_told_by_its_suite() -> None:
    """
    The source with a -security suite is the security archive.
    """
    found = [
        Source(("u/debian",), ("trixie",), ("main",), "/k"),
        Source(("s",), ("trixie-security",), ("main",), "/k"),
    ]

    main, security = sources.debian_mirrors(found)

    assert (Mirror("u/debian", "/k"), Mirror("s", "/k")) == (main, security)


def test_no_debian_among_the_sources() -> None:
    """
    A machine without a Debian source is told to name a mirror, and to leave its own sources alone.
    """
    found = [Source(("http://archive.example.org/ubuntu",), ("noble",), ("main",))]

    with pytest.raises(
        MissingTool, match=r"no apt source .* PFNLAB_MIRROR=URI .* .do not change .* qemu:FILE"
    ):
        sources.debian_mirrors(found)


@pytest.mark.parametrize(
    ("named", "security"),
    [
        ("http://m/debian", "http://m/debian-security"),
        ("http://m/debian/", "http://m/debian-security"),
        ("file:/srv/frozen", None),
        ("file:/srv/frozen http://s", "http://s"),
    ],
)
def test_a_mirror_is_named(tmp_path: Path, named: str, security: str | None) -> None:
    """
    The security archive lies beside it, or is named behind it, or there is none.
    """
    keyring = tmp_path / "keys.gpg"
    keyring.touch()
    given = {"PFNLAB_MIRROR": named, "PFNLAB_KEYRING": str(keyring)}

    found = sources.named_mirrors(given)

    main = named.split()[0].rstrip("/")
    beside = Mirror(security, str(keyring)) if security else None
    assert (Mirror(main, str(keyring)), beside) == found


def test_no_mirror_is_named() -> None:
    """
    The machine's own sources count then.
    """
    assert None is sources.named_mirrors({"PFNLAB_KEYRING": "/nowhere"})


@pytest.mark.parametrize(
    ("mirror", "keyring", "says"),
    [
        ("deb.example.org", "", "is not a mirror: write a URI"),
        ("file:/a file:/b file:/c", "", "write one URI"),
        ("file:/a", "/nowhere/keys.gpg", "PFNLAB_KEYRING: no such file: /nowhere/keys.gpg"),
    ],
)
def test_what_is_named_has_to_be_there(mirror: str, keyring: str, says: str) -> None:
    """
    It is said which of the two is wrong, and what to write.
    """
    with pytest.raises(Misuse, match=says):
        sources.named_mirrors({"PFNLAB_MIRROR": mirror, "PFNLAB_KEYRING": keyring})


def test_a_mirror_without_a_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Nothing is read that cannot be verified; the package that has the keyring is named.
    """
    monkeypatch.setattr(sources, "DEBIAN_KEYRINGS", (tmp_path / "none.gpg",))

    with pytest.raises(MissingTool, match="install debian-archive-keyring, which Ubuntu has too"):
        sources.named_mirrors({"PFNLAB_MIRROR": "http://m/debian"})
