"""Ranges that the model goes through page by page, where every page may have another answer."""

from pfnlab.base.errors import Undecided, Why

#: The most pages of one such range (256 MiB): each takes the model ten microseconds and memory of its own.
MOST_PAGES = 1 << 16


def page_by_page(start: int, end: int) -> range:
    """The pages ``[start, end)``, one by one.

    :raises Undecided: there are more than :data:`MOST_PAGES`
    """
    if end - start > MOST_PAGES:
        raise Undecided(
            f"the model goes through {MOST_PAGES} pages one by one at most, and this asks for {end - start}",
            Why.NO_RULE,
        )
    return range(start, end)
