"""The library in the browser: programs by section with their questions, and wrong names in the address."""

from __future__ import annotations

from typing import Any


def opened(page: Any) -> None:
    """The list of programs, open."""
    page.open(program="munmap-middle", on="model:6.1")
    page.until(lambda: page.all("#picture svg"))
    page.one("#library").click()
    page.until(lambda: page.one("#programs").is_displayed())


def test_the_button_shows_the_program_and_its_question(page: Any) -> None:
    """Without opening the list."""
    page.open(program="munmap-middle", on="model:6.1")

    assert "munmap-middle" in page.text("#library .name")
    assert "What stays reserved when the middle" in page.text("#library .asks")


def test_programs_are_listed_by_section(page: Any) -> None:
    """The section of the current program is open, and the program is marked."""
    opened(page)

    sections = [summary.text for summary in page.all("#programs summary")]

    assert any(text.startswith("Unmapping (") for text in sections)
    assert "munmap-middle" == page.text("#programs-list [aria-current] .name")
    assert page.script(
        "return document.querySelector('#programs-list [aria-current]').closest('details').open"
    )
    assert [] == page.violations()


def test_a_filter_finds_words_of_the_question(page: Any) -> None:
    """All words, in any order; sections without a match are left out."""
    opened(page)
    everything = len(page.all("#programs-list li"))

    page.one("#programs-filter").send_keys("reserved middle")

    page.until(lambda: len(page.all("#programs-list li")) < everything)
    found = [line.text for line in page.all("#programs-list li")]
    assert any("munmap-middle" in text for text in found)
    assert f"{len(found)} of {everything} programs" == page.text("#programs-said")


def test_a_chosen_program_is_opened(page: Any) -> None:
    """At its first step, and the list is closed."""
    opened(page)
    page.one("#programs-filter").send_keys("adopt-wc")

    page.until(lambda: 1 == len(page.all("#programs-list li")))
    page.one("#programs-list li button").click()

    page.until(lambda: "program=adopt-wc" in page.driver.current_url)
    assert not page.one("#programs").is_displayed()
    assert "adopt-wc" in page.text("#library .name")


def test_an_unknown_program_in_the_address_is_said(page: Any) -> None:
    """Above the steps, and no other program takes its place."""
    page.open(program="nowhere", on="model:6.1")

    assert "The library has no program nowhere" in page.text("#notice")
    assert "program=nowhere" in page.driver.current_url
    assert not page.all("#timeline button")
    assert "" == page.text("#mistake")
    assert [] == page.violations()


def test_an_unknown_machine_in_the_address_is_said(page: Any) -> None:
    """It stays chosen."""
    page.open(program="munmap-middle", on="modell:6.1")

    page.until(lambda: "there is no machine modell:6.1" in page.text("#says"))
    assert "modell:6.1" == page.script("return document.getElementById('which-0').value")


def test_a_third_machine_in_the_address_is_said(page: Any) -> None:
    """The page shows two."""
    page.open(program="munmap-middle", on=["model:6.1", "model:6.12", "model:7.3"])

    assert "left out: model:7.3" in page.text("#notice")


def test_a_damaged_program_in_the_address_is_said(page: Any) -> None:
    """And not replaced by the first program."""
    page.open(text="%%%", on="model:6.1")

    assert "damaged" in page.text("#notice")
    assert not page.all("#timeline button")
