"""Pages of something that has a name."""

from for_each import for_each

from pfnlab.programs.lang.span import Span


@for_each(
    ("other", "contained"),
    [
        (Span("bar", 2, 6), True),
        (Span("bar", 3, 4), True),
        (Span("bar", 1, 4), False),
        (Span("bar", 5, 7), False),
        (Span("vga", 3, 4), False),
    ],
)
def test_a_span_contains_its_parts(other: Span, contained: bool) -> None:
    """
    Itself among them; nothing that begins before or ends behind it, and no other thing's pages.
    """
    whole = Span("bar", 2, 6)

    contains = whole.contains(other)

    assert contained == contains
