"""Two statements about bytes in the discussions, and the evidence from kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evidence.pages.sizes.price import configuration_of, laid_out
from evidence.pages.sizes.series import (
    grouped,
    price_of,
    prices_of,
    room_of_the_move,
)
from pfnlab.lab.sizes.kernel_sizes import (
    OWN_FIELD,
    UNUSED_IN_PFN_VMAS,
    WORD,
    SeriesSizes,
    configured,
    members_of,
    sharing,
)

#: The number of bytes in discussion 002.
LIMIT = 192

_ROOM = """\
- {names}: {verdict}. Without the pointer to the context the last member ends at byte {end}, and the VMA
  takes {before} bytes, for `vm_refcnt` aligns it to cache lines. The pointer takes 8 of the {padding} bytes
  of padding; {left} are left, and {named} with ANON_VMA_NAME, which these kernels have off. The largest VMA
  with the pointer, in any configuration, has {largest} bytes."""

_BESIDE = """\
- {series}: as a member of its own the word makes the structure grow in {grown} of {total} configurations,
  and the object in {larger}. In the place of a member that PFN mappings have no use for
  ({unused}) it would cost nothing in {shared} of them; the
  other {alone} have no such member."""

_MOVE = """\
- 6.4 to 6.9, derived from the members of 6.12: a VMA had {older} bytes, with holes of 4 and 7 bytes around
  `vm_lock`, neither of which holds a word. Its author moved `detached` into the word of `vm_lock_seq` in
  March 2024 (3b612c8f069f, in 6.10). With that move and a word more a VMA has {older} bytes as before in
  {paid} of {total} configurations, all that have PER_VMA_LOCK, and grows in the other {unpaid}."""


def sentences(kept: Sequence[SeriesSizes]) -> Iterator[str]:
    """Yield the lines of each statement with its answer."""
    own = [series for series in kept if OWN_FIELD in {member.name for member in members_of(series)}]
    yield from _discussion_002(own)
    yield from _discussion_003([series for series in kept if series not in own], own)


def _discussion_002(own: Sequence[SeriesSizes]) -> Iterator[str]:
    yield 'Discussion 002: "we have space without exceeding 192 bytes".\n'
    for names, words in grouped(own, _room):
        yield _ROOM.format(names=names, **dict(words))
    large = max(price_of(series, 3 * WORD).slab_after for series in own)
    yield f"\nThe design that does not fit is `ctx_adjust`: its three words make every VMA {large} bytes.\n"


def _room(series: SeriesSizes) -> tuple[tuple[str, object], ...]:
    members = members_of(series)
    read = configuration_of(members)
    end, size = _end_and_size(series, read)
    named_end, named_size = _end_and_size(series, read | {"ANON_VMA_NAME"})
    largest = max(cost.after for cost in prices_of(series, WORD))
    return (
        ("verdict", "there is" if largest <= LIMIT else "there is not, in every configuration"),
        ("end", end),
        ("before", size),
        ("padding", size - end),
        ("left", size - end - WORD),
        ("named", named_size - named_end - WORD),
        ("largest", largest),
    )


def _end_and_size(series: SeriesSizes, configuration: frozenset[str]) -> tuple[int, int]:
    placed, size, _ = laid_out(configured(members_of(series), configuration))
    return max(member.offset + member.size for member in placed), size


def _discussion_003(before: Sequence[SeriesSizes], own: Sequence[SeriesSizes]) -> Iterator[str]:
    yield (
        'Discussion 003: "I managed to not consume memory in some configurations, but not in all", with one\n'
        "word in every VMA. That was in July 2024, shortly after 6.10; how is not said.\n"
    )
    for series in before:
        prices = prices_of(series, WORD)
        shared, alone = sharing(series)
        yield _BESIDE.format(
            series=series.series,
            total=len(prices),
            grown=sum(cost.after > cost.before for cost in prices),
            larger=sum(cost.slab_after > cost.slab_before for cost in prices),
            unused=", ".join(_unused(series)),
            shared=shared,
            alone=alone,
        )
    older, paid, unpaid = room_of_the_move(before[-1])
    yield _MOVE.format(older=older, paid=paid, unpaid=unpaid, total=paid + unpaid)
    total = len(prices_of(own[0], WORD))
    free = ", ".join(f"{count} of {total} ({names})" for names, count in grouped(own, _free))
    yield (
        "\nSo it holds: a word could be paid for where VMAs have locks, or share a place where there is\n"
        "one; neither is so everywhere. Which he meant is not said. Since VMAs are aligned to cache lines a\n"
        "word of its own costs no byte of the object in so many configurations:\n"
        f"{free}.\n"
    )


def _free(series: SeriesSizes) -> int:
    return sum(cost.slab_after == cost.slab_before for cost in prices_of(series, WORD))


def _unused(series: SeriesSizes) -> list[str]:
    names = {member.name for member in members_of(series)}
    return [f"`{name}`" for name in UNUSED_IN_PFN_VMAS if name in names]
