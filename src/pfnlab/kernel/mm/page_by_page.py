"""Ranges that the model processes page by page because each page may give a different result."""

from pfnlab.base.errors import Undecided, Why

#: The most pages allowed in one such range (256 MiB): each costs the model ten microseconds, and memory.
MOST_PAGES = 1 << 16


def page_by_page(start: int, end: int) -> range:
    """The pages ``[start, end)``, one by one.

    :raises Undecided: if there are more than :data:`MOST_PAGES`
    """
    if end - start > MOST_PAGES:
        raise Undecided(
            f"the model goes through {MOST_PAGES} pages one by one at most, and this asks for {end - start}",
            Why.NO_RULE,
        )
    return range(start, end)
