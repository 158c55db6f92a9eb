"""Suggestions for misspelt words."""

from for_each import for_each

from pfnlab.base.spelling import did_you_mean, guess, near_words, nearest

WORDS = ("flush", "tracker", "Walker")


@for_each(("word", "meant"), [("fulsh", "flush"), ("WALKR", "Walker"), ("zzz", None)])
def test_the_nearest_word_is_found(word: str, meant: str | None) -> None:
    """Case does not matter, and a word that is like none has no suggestion."""
    assert meant == nearest(word, WORDS)


def test_several_words_may_be_meant() -> None:
    """The most likely comes first."""
    assert ["end_vma", "any_vma"] == near_words("end_vmas", ["any_vma", "end_vma", "fullmm"])


def test_a_guess_is_followed_by_the_choices() -> None:
    """It is empty if nothing is near."""
    assert ("did you mean model:7.3? ", "") == (guess("7.33", ["7.3"], "model:{}"), guess("x", ["7.3"]))


def test_without_a_guess_the_choices_are_listed() -> None:
    """A single choice is what to write."""
    assert ": write one of flush, tracker, Walker" == did_you_mean("zzz", WORDS)
    assert ": write `flush`" == did_you_mean("zzz", ["flush"])
