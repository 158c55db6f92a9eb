"""The row of steps: whose step breaks what, why, and what is not shown before it is predicted."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from pfnlab.explorer.stories import series_on_offer

TWO = ["model:6.1", "model:7.3"]

#: The least width and height of what a finger presses, in pixels.
FINGER = 44


def wait_for_step(page: Any, number: int) -> None:
    page.until(lambda: f"Step {number} of" in page.text("#says"))
    page.until(lambda: page.all("#picture svg"))


def test_a_violation_says_whose_it_is(page: Any) -> None:
    """In the row of steps, and below what is said of the step."""
    page.open(program="munmap-middle", on=TWO, step=3)
    wait_for_step(page, 3)

    (broken,) = [tick.text for tick in page.all("#timeline [aria-current] .broken")]
    assert "on model:6.1" in broken
    assert "model:7.3" not in broken
    lines = [line.text for line in page.all("#violations li")]
    assert any(line.startswith("✗ no_leak on model:6.1: ") for line in lines)


def test_machines_that_break_the_same_share_a_line(page: Any) -> None:
    """One sentence is enough for both, and one word in the row of steps."""
    page.open(program="munmap-middle", on=["model:6.1", "model:6.12"], step=3)
    wait_for_step(page, 3)

    assert page.one("#timeline [aria-current] .broken").text.endswith("on both")

    lines = [line.text for line in page.all("#violations li")]

    assert 1 == sum("no_leak on model:6.1 and model:6.12: " in line for line in lines)


def test_a_bug_is_explained_where_it_is_named(page: Any) -> None:
    """Its identifier opens what it stands for, and the releases that have it."""
    page.open(program="munmap-middle", on="model:6.1", step=3)
    wait_for_step(page, 3)

    page.one("#violations summary").click()

    page.until(lambda: "If part of a tracked mapping is unmapped" in page.text("#violations .known"))
    assert "until 6.16" in page.text("#violations .known")
    assert [] == page.violations()
    page.keep("explorer-violation")


def test_a_property_of_the_graph_is_explained_too(page: Any) -> None:
    """A state that this kernel is known to come to says why."""
    page.open(view="graph", on="model:6.1", scope="small", way="0.2")
    page.until(lambda: "Violated here" in page.text("#says"))

    assert "Known, A06" in page.one("#properties").text


def test_the_quiz_does_not_tell(page: Any) -> None:
    """Neither the row of steps nor what the program expects says what comes, until it has come."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    wait_for_step(page, 2)
    assert "no_leak" in page.one("#timeline").text

    page.press("q")

    page.until(lambda: page.one("#quiz").is_displayed())
    assert "no_leak" not in page.one("#timeline").text
    assert "freed_once" in page.one("#timeline").text
    covered = page.script(
        "return [...document.querySelectorAll('.cm-covered')]"
        ".map((line) => getComputedStyle(line).visibility)"
    )
    assert {"hidden"} == set(covered)
    page.until(lambda: "munmap a" == page.text("#quiz-op"))
    page.one("#quiz button").click()
    wait_for_step(page, 3)
    page.until(lambda: "no_leak" in page.one("#timeline").text)
    page.press("q")
    page.until(lambda: not page.all(".cm-covered"))


def test_buttons_go_from_step_to_step(page: Any) -> None:
    """A finger has no arrow keys; at either end there is no way on."""
    page.open(program="munmap-middle", on="model:6.1")
    wait_for_step(page, 1)
    assert not page.one("#before").is_enabled()

    for number in (2, 3, 4):
        page.one("#after").click()
        wait_for_step(page, number)

    assert not page.one("#after").is_enabled()
    page.one("#before").click()
    wait_for_step(page, 3)


@pytest.mark.parametrize("width", [390, 1280])
def test_buttons_stay_where_they_are(page: Any, width: int) -> None:
    """Whatever a step says or violates."""
    page.size(width, 844)
    page.open(program="munmap-middle", on=TWO)
    where = (
        "return ['before', 'after', 'picture']"
        ".map((id) => document.getElementById(id).getBoundingClientRect())"
        ".map((box) => [box.left, box.top])"
    )

    places = []
    for number in (1, 2, 3, 4):
        wait_for_step(page, number)
        places.append(page.script(where))
        if number < 4:
            page.one("#after").click()

    assert [places[0]] * 4 == places


def test_on_a_phone_buttons_and_picture_are_on_one_screen(page: Any) -> None:
    """The editor is folded."""
    page.size(390, 844)
    page.open(program="munmap-middle", on="model:6.1", step=2)
    wait_for_step(page, 2)

    edges = (
        "return ['before', 'picture'].map((id) => document.getElementById(id).getBoundingClientRect().bottom)"
    )

    assert max(page.script(edges)) <= 844
    assert not page.script("return document.getElementById('fold').open")
    assert "munmap-middle on model:6.1" == page.text("#fold-said")


def test_labels_are_the_same_for_one_machine_and_two(page: Any) -> None:
    """In the picture and in the row of steps."""
    seen = []
    for machines in (["model:6.1"], TWO):
        page.open(program="munmap-middle", on=machines, step=3)
        wait_for_step(page, 3)
        names = page.script(
            "return [...new Set([...document.querySelectorAll('#picture [data-row] text')]"
            ".map((text) => text.textContent))]"
        )
        seen.append((names, page.text("#timeline [aria-current] .broken")))

    assert seen[0] == seen[1]
    assert (["VMAs", "PTEs", "memory", "book"], "✗ no_leak, freed_once on model:6.1") == seen[0]


def test_a_row_s_name_says_what_it_is(page: Any) -> None:
    """On pointing and on focus, by mouse and keyboard."""
    page.open(program="munmap-middle", on="model:6.1", step=3)
    wait_for_step(page, 3)

    rows = page.script(
        "return [...document.querySelectorAll('#picture [data-row]')].map((row) => [row.dataset.row,"
        " row.querySelector('title').textContent, row.getAttribute('aria-label'), row.tabIndex])"
    )

    assert {"vma", "pte", "memory", "book"} == {row[0] for row in rows}
    assert all(title == label and tab in (0, -1) for _, title, label, tab in rows)
    # The first part is the operation.
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    page.until(lambda: "mapped address ranges" in page.text("#rule"))


def test_a_step_says_what_its_marks_mean(page: Any) -> None:
    """The property's sentence, on its button."""
    page.open(program="munmap-middle", on=TWO, step=3)
    wait_for_step(page, 3)

    title = page.script("return document.querySelector('#timeline [aria-current]').title")

    assert "no_leak: A range is still reserved but no longer mapped" in title
    assert "differs: the machines differ in book" in title


def test_the_step_is_marked_in_the_lanes(page: Any) -> None:
    """It moves with the step."""
    page.open(program="race-fork-revoked", on="model:6.1", step=3)
    page.until(lambda: page.all("#lanes [aria-current] .now-band"))
    marked = "return [...document.querySelectorAll('#lanes [aria-current]')].map((row) => row.dataset.part)"
    assert ["step:3"] == page.script(marked)

    page.one("#after").click()

    page.until(lambda: ["step:4"] == page.script(marked))
    assert 1 == len(page.all("#lanes .now-band"))


def test_a_kernel_is_run_where_its_result_appears(page: Any) -> None:
    """The button is above the place of the picture, and names the kernel."""
    page.open(program="munmap-middle", on=["model:6.1", "qemu:6.1"])

    page.until(lambda: "qemu:6.1 has not run this program yet" in page.text("#says"))
    assert "Run on qemu:6.1" == page.text("#kernel-run")
    assert page.script("return document.getElementById('kernel-run').closest('#showing') !== null")
    assert page.one("#kernel-run").is_displayed()


@pytest.mark.parametrize("view", ["program", "graph"])
def test_everything_on_a_phone_is_as_large_as_a_finger(page: Any, view: str) -> None:
    """Steps above all, and whatever else is pressed."""
    page.size(360, 740)
    page.open(view=view, program="munmap-middle", on=TWO, step=3, scope="small", way="0.2")
    page.until(lambda: page.all("#picture svg"))

    small = page.script(
        "return [...document.querySelectorAll('button, select, summary, input:not([type=checkbox])')]"
        ".map((one) => [one.id || one.textContent, one.getBoundingClientRect()])"
        ".filter(([, box]) => box.width && (box.width < arguments[0] || box.height < arguments[0]))"
        ".map(([name]) => name)",
        FINGER,
    )

    assert [] == small
    assert not page.wide()


def test_the_newest_model_is_first(page: Any) -> None:
    """In the list of machines, before all others, as the newest is what the command line takes."""
    page.open(program="munmap-middle", on="model:6.1")
    wait_for_step(page, 1)

    options = [option.get_attribute("value") for option in Select(page.one("#which-0")).options]

    assert f"model:{series_on_offer()[0]}" == options[0]


def test_the_first_state_of_the_graph_has_a_picture(page: Any) -> None:
    """Nothing was done, and the devices are there."""
    page.open(view="graph", on="model:6.1", scope="small")

    page.until(lambda: page.all("#picture svg"))

    assert "before the first operation" in page.script(
        "return document.querySelector('#picture').textContent"
    )


def test_a_long_way_is_walked_to_its_end(page: Any) -> None:
    """Names of a program are used again, and where a way ends it says so."""
    page.open(view="graph", on="model:7.3", scope="small", way=".".join(["0"] * 64))

    page.until(lambda: "After 64 operations" in page.text("#says"))

    assert page.all("#picture svg")
    assert "A path has at most 64 operations." == page.text("#next-said")
    assert not any(button.is_enabled() for button in page.all("#next button"))


def test_a_way_that_is_no_program_says_so(page: Any) -> None:
    """In the place of the picture, and it cannot be opened as one."""
    page.open(view="graph", on="model:7.3", scope="standard", way=".".join(["4"] * 32))

    page.until(lambda: "After 32 operations" in page.text("#says"))

    assert "No picture: the path is not a program: a program has at most 16 tasks." == page.text("#picture")
    assert not page.one("#to-program").is_enabled()
