"""Elements of HTML: a text in one stays a text, whatever it says."""

from __future__ import annotations

import html5lib
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.inert import one_line, visible
from pfnlab.present.document.elements import Markup, element, lines

#: Texts in which much is a letter of HTML.
TEXTS = st.text(st.one_of(st.sampled_from("<>&\"'/= "), st.characters(exclude_characters="\r")), min_size=1)


@given(TEXTS)
def test_a_text_stays_a_text(text: str) -> None:
    """Between tags, and as an attribute on one line, for a browser."""
    (shown,) = html5lib.parseFragment(element("p", text, title=text), namespaceHTMLElements=False)

    assert (0, visible(text), one_line(text)) == (len(shown), shown.text, shown.attrib["title"])


def test_markup_stays_markup() -> None:
    """So elements stand in elements."""
    assert '<p class="a"><b>&lt;</b></p>' == element("p", element("b", "<"), class_="a")


def test_an_empty_attribute_is_left_out() -> None:
    """Its name is written as HTML has it."""
    assert '<td aria-label="x"></td>' == element("td", class_="", aria_label="x")


def test_lines_keep_what_is_markup() -> None:
    """A text among them is escaped."""
    assert "<br>\n&lt;br&gt;" == lines(Markup("<br>"), "<br>")
