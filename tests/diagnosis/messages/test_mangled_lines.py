"""A damaged paste: the words about the clean line hold, or the event says that it is not sure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mangling import MARKUP, PREFIXES, cut_hard, wrapped
from sampling import rendered
from test_field_lines import written

from pfnlab.diagnosis.messages.explaining import explain, explain_line
from pfnlab.diagnosis.messages.family_files import Family, FamilyKind, Wording, families
from pfnlab.diagnosis.messages.message_event import MessageEvent
from pfnlab.diagnosis.messages.template import LineTemplate

#: Wordings whose lines say something that can be lost.
_TELLING: list[tuple[Family, Wording]] = [
    (family, wording)
    for family in families()
    if family.kind is FamilyKind.LOG and family.alone
    for wording in family.wording
    if "{range}" in wording.text
]

#: Groups of families of what the list of reservations prints.
_OF_THE_LIST = frozenset({"conflict", "reserve", "free", "map_ram", "map_expected", "ioremap_error"})

_COMMS = st.sampled_from(
    ["main", "Xorg", "CPU 0/KVM", "NDK MediaCodec_", ".vorbis.decoder", "a.out", "kworker/0:1", "Web Content"]
)
_MODES = st.sampled_from(["write-back", "write-combining", "uncached-minus", "uncached", "write-through"])


@st.composite
def clean_lines(draw: st.DrawFn) -> tuple[Family, Wording, str]:
    """A line made from a template with values that kernels print."""
    family, wording = draw(st.sampled_from(_TELLING))
    start = draw(st.integers(1, 1 << 34)) << 12
    size = draw(st.integers(1, 1 << 16)) << 12
    last = {"inclusive": start + size - 1, "exclusive": start + size, "size": size}[wording.end.value]
    sign = "0x" if "[mem" in wording.text or draw(st.booleans()) else ""
    between = "," if wording.end.value == "size" else "-"
    values = {
        "comm": draw(_COMMS),
        "pid": str(draw(st.integers(1, 4_000_000))),
        "range": f"{sign}{start:08x}{between}{sign}{last:08x}",
        **{name: draw(_MODES) for name in ("wanted", "granted", "existing", "differs", "track")},
    }
    return family, wording, rendered(wording.text, values, draw(st.integers(0, 3)))


def only(text: str) -> MessageEvent | None:
    """The only event of a text, None where it has none."""
    events = explain_line(text).events
    return events[0] if len(events) == 1 else None


def said(event: MessageEvent) -> dict[str, Any]:
    """What an event says, with its doubts left out."""
    return written(event)


@given(clean_lines(), st.sampled_from(PREFIXES), st.sampled_from(sorted(MARKUP)))
def test_markup_and_prefixes_change_nothing(
    line: tuple[Family, Wording, str], prefix: str, markup: str
) -> None:
    """Nothing is lost in them, so nothing may be missing either."""
    _, _, text = line
    plain = only(text)
    assume(plain is not None)
    assert plain is not None

    event = only(MARKUP[markup](prefix + text))

    assert event is not None
    assert said(plain) == said(event)


@given(clean_lines(), st.sampled_from(PREFIXES[:6]), st.sampled_from([60, 72, 80]))
def test_a_mailer_wraps_at_blanks_and_hyphens(
    line: tuple[Family, Wording, str], prefix: str, width: int
) -> None:
    """The lines are put together again."""
    _, _, text = line
    plain = only(text)
    assume(plain is not None)
    assert plain is not None

    event = only(wrapped(width)(prefix + text))

    assert event is not None
    assert said(plain) == said(event)


@given(clean_lines(), st.integers(40, 100))
def test_a_line_that_is_broken_anywhere_says_the_same_or_is_not_sure(
    line: tuple[Family, Wording, str], width: int
) -> None:
    """In the middle of a range, a mode or a word: no other value is said, unless with a doubt.

    Lines of the list of reservations are all found; another may be missed that is broken in its only word.
    """
    family, _, text = line
    plain = only(text)
    assume(plain is not None)
    assert plain is not None

    event = only(cut_hard(width)("[   45.321866] " + text))

    if event is None:
        assert family.group not in _OF_THE_LIST
        return
    assert said(plain) == said(event) or event.unsure


@given(clean_lines(), st.integers(40, 160))
def test_a_line_that_is_broken_once_says_the_same_or_is_not_sure(
    line: tuple[Family, Wording, str], at: int
) -> None:
    """After a match that is complete without the rest, too: a range, a list of modes or a name continues."""
    family, _, text = line
    plain = only(text)
    assume(plain is not None and at < len(text))
    assert plain is not None

    event = only(f"{text[:at]}\n{text[at:]}")

    if event is None:
        assert family.group not in _OF_THE_LIST
        return
    assert said(plain) == said(event) or event.unsure


@given(clean_lines(), st.sampled_from(["...", "<redacted>", "…", "xxxx"]), st.integers(0, 3))
def test_an_abridged_line_says_what_it_does_not_say(
    line: tuple[Family, Wording, str], instead: str, which: int
) -> None:
    """A value that was cut out is missing and named; the others stay as they are."""
    _, wording, text = line
    plain = only(text)
    assume(plain is not None and LineTemplate(wording.text).key and wording.abridged)
    assert plain is not None
    parts = [
        part for part in text.split() if any(map(str.isdigit, part)) and "/" not in part and ":" not in part
    ]
    assume(parts)
    gone = parts[which % len(parts)]

    event = only(text.replace(gone, instead))

    if event is not None:
        full, less = said(plain), said(event)
        assert full["family"] == less["family"]
        assert all(full[name] == less[name] for name in less if name in full and name != "existing")
        assert event.unsure or less == full


@given(clean_lines(), st.integers(1, 200))
def test_a_line_that_is_cut_off_invents_nothing(line: tuple[Family, Wording, str], kept: int) -> None:
    """What is left says what the whole says, or there is a doubt."""
    _, _, text = line
    plain = only(text)
    assume(plain is not None and kept < len(text))
    assert plain is not None

    event = only(text[:kept])

    if event is not None and event.family is plain.family:
        full, less = said(plain), said(event)
        assert less == full or event.unsure


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    """Whatever it is, it is read."""
    assert sum(piece.count(b"\n") for piece in pieces) <= explain(pieces).lines


@given(clean_lines(), st.binary(max_size=40), st.integers(0, 200))
def test_no_damage_of_a_line_raises(line: tuple[Family, Wording, str], bytes_in: bytes, at: int) -> None:
    """Nor bytes in the middle of a message."""
    raw = line[2].encode()

    found = explain([raw[:at] + bytes_in + raw[at:]])

    assert found.lines >= 1


@pytest.mark.parametrize("family", [family.name for family in families() if family.kind is FamilyKind.LOG])
def test_a_line_with_wide_blanks_is_found(family: str) -> None:
    """In every wording, also one that is searched for by a phrase."""
    for wording in next(known for known in families() if known.name == family).wording:
        if "{failure}" in wording.text:
            continue  # Its value has blanks of its own.
        values = {"range": "0x10000000-0x10001fff", "comm": "Xorg", "pid": "17"}
        line = rendered(wording.text, values, 0)

        assert explain_line(line).events == () or explain_line(line.replace(" ", "   ")).events


@pytest.mark.parametrize("markup", sorted(MARKUP))
def test_a_markup_after_any_prefix_changes_nothing(markup: str) -> None:
    """Every pair, for a line that needs its beginning and for one that has the prefix of its subsystem."""
    lines = (
        "main:17 freeing invalid memtype fd000000-fd001000",
        "x86/PAT: main:17 conflicting memory types fd000000-fd001000 write-back<->write-combining",
    )
    plain = {line: only(line) for line in lines}

    changed = [
        prefix + line
        for prefix in PREFIXES
        for line, alone in plain.items()
        for event in [only(MARKUP[markup](prefix + line))]
        if alone is None or event is None or said(event) != said(alone)
    ]

    assert [] == changed
