"""Misspelt words: the word that was probably meant, as a part of an error message."""

from collections.abc import Iterable

#: The characters of a word that are compared.
_COMPARED = 40


def near_words(word: str, choices: Iterable[str], most: int = 3, likeness: float = 0.6) -> list[str]:
    """The choices that *word* is probably a misspelling of, the most likely first; case does not matter.

    :param most: the maximum number of them
    :param likeness: how alike they have to be, from 0 to 1
    """
    import difflib  # only needed after an error

    lowered = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(word[:_COMPARED].lower(), list(lowered), most, likeness)
    return [lowered[match] for match in matches]


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that *word* is probably a misspelling of; None if none is near."""
    return next(iter(near_words(word, choices, most=1)), None)


def guess(word: str, choices: Iterable[str], form: str = "{}") -> str:
    """``did you mean flush? ``, to be followed by the whole list of choices; empty if none is near.

    :param form: how the choice is written, e.g. ``model:{}``
    """
    meant = nearest(word, choices)
    return "" if meant is None else f"did you mean {form.format(meant)}? "


def did_you_mean(word: str, choices: Iterable[str], unlisted: Iterable[str] = ()) -> str:
    """``: did you mean `munmap`?`` or, if nothing is near, the list of choices to write instead.

    :param unlisted: words that may be meant, but are not listed
    """
    words = list(choices)
    meant = nearest(word, (*words, *unlisted))
    if meant is not None:
        return f": did you mean `{meant}`?"
    if len(words) == 1:
        return f": write `{words[0]}`"
    return f": write one of {', '.join(words)}" if words else ""
