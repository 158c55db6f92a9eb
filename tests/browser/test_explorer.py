"""The explorer in a browser: every way through it, without a word in the console."""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.keys import Keys

TWO = ["model:6.1", "model:7.3"]


def wait_for_step(page: Any, number: int) -> None:
    page.until(lambda: f"Step {number} of" in page.text("#says"))
    page.until(lambda: page.all("#picture svg"))


def test_the_first_page_shows_a_program_and_its_picture(page: Any) -> None:
    """Who opens it sees a program, its steps and the first state; the token is out of the address."""
    page.open()

    wait_for_step(page, 1)
    assert "munmap a[4:8]" in page.text(".cm-content")
    assert 4 == len(page.all("#timeline button"))
    assert not page.token_of_address()
    page.keep("explorer-editor")
    assert [] == page.violations()


def test_a_mistake_stands_under_its_line(page: Any) -> None:
    """While one types, what is wrong is said with its place and what to write instead."""
    page.open(program="munmap-middle")

    page.write("pfnlab program 1\ntitle x\ndevice bar: pci, 4 pages\n\na = mmapp bar[0:4] wc shared rw\n")

    page.until(lambda: "line 5, column 5" in page.text("#mistake"))
    page.until(lambda: page.all(".cm-lintRange-error"))
    below = page.script("return document.querySelector('.cm-mistake').previousElementSibling.textContent")
    assert "a = mmapp bar[0:4] wc shared rw" == below
    assert page.text("#mistake").partition(": ")[2] in page.text(".cm-mistake")
    edges = "return [...arguments].map((part) => document.querySelector(part).getBoundingClientRect().right)"
    said, editor = page.script(edges, ".cm-mistake", "#editor")
    assert said <= editor
    page.keep("explorer-mistake")
    page.write("pfnlab program 1\ntitle x\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n")
    page.until(lambda: not page.all(".cm-mistake") and not page.text("#mistake"))


def test_a_text_of_one_s_own_is_in_the_address(page: Any) -> None:
    """The address alone brings back what was typed."""
    page.open(program="munmap-middle")
    page.write("pfnlab program 1\ntitle Mine\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n")
    page.until(lambda: "text=" in page.driver.current_url)
    fragment = page.driver.current_url.partition("#")[2]

    page.driver.get("about:blank")
    page.driver.get(f"{page.base}#{fragment}")

    page.until(lambda: page.all(".cm-content") and "title Mine" in page.text(".cm-content"))


def test_two_machines_stand_side_by_side(page: Any) -> None:
    """What differs is said in words too, and the table has a column a machine."""
    page.open(program="munmap-middle", on=TWO, step=3)

    wait_for_step(page, 3)
    assert "They differ in" in page.text("#says")
    assert page.all("#timeline .differs")
    page.script("document.querySelector('#table').open = true")
    assert 3 == len(page.all("#table thead th"))
    assert "bar[0:8] wc" in page.text("#table tr.differs td") or "bar[0:8] wc" in page.text("#table")
    assert [] == page.violations()
    page.script("document.querySelector('#table').open = false")
    page.keep("explorer-two-machines")


def test_keys_walk_through_steps_and_parts(page: Any) -> None:
    """Right and left are steps, down and up parts, Enter the rule, and back undoes."""
    page.open(program="munmap-middle", on=TWO)
    wait_for_step(page, 1)
    page.until(lambda: page.all("#picture svg"))
    page.script("document.querySelector('#picture svg').dataset.before = 'yes'")

    page.press(Keys.ARROW_RIGHT)
    wait_for_step(page, 2)
    # The step is marked before its picture is there, and a new picture takes the focus from the old parts.
    page.until(lambda: page.all("#picture svg:not([data-before])"))
    page.press(Keys.ARROW_DOWN)
    part = page.script("return document.activeElement.dataset.part")
    assert part
    page.press(Keys.ARROW_DOWN)
    assert page.script("return document.activeElement.dataset.part") != part
    page.press(Keys.ENTER)
    page.until(lambda: page.one("#rule").is_displayed())
    page.press(Keys.ARROW_LEFT)
    wait_for_step(page, 1)
    page.driver.back()
    wait_for_step(page, 2)


def test_the_rule_behind_a_part_is_shown(page: Any) -> None:
    """A part that is clicked shows the text of its rule, the kernel's functions and our source."""
    page.open(program="munmap-middle", on=["model:6.1"], step=2)
    wait_for_step(page, 2)

    page.script(
        "const part = document.querySelector('#picture [data-rule]');"
        "part.dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )

    page.until(lambda: page.one("#rule").is_displayed() and "Source: " in page.text("#rule"))
    assert [] == page.violations()


def test_a_part_lights_the_line_that_made_it(page: Any) -> None:
    """The mapping of an entry is named in the program: that line is marked as long as the part is lit."""
    page.open(program="munmap-middle", on=["model:6.1"], step=2)
    wait_for_step(page, 2)

    page.script("document.querySelector('#picture [data-part^=\"run:\"]').focus()")

    page.until(lambda: page.all(".cm-made"))
    assert "a = mmap bar[0:16] wc shared rw" == page.text(".cm-made")
    page.leave_fields()
    page.until(lambda: not page.all(".cm-made"))


def test_letters_turn_things_on(page: Any) -> None:
    """c compares, g is the graph, q the quiz, ? the keys; in the editor they are letters."""
    page.open(program="munmap-middle", on=["model:6.1"])
    wait_for_step(page, 1)

    page.press("c")
    page.until(lambda: "model:7.3: ok" in page.text("#says"))
    page.press("?")
    page.until(lambda: page.one("#keys").is_displayed())
    assert [] == page.violations()
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.one("#keys").is_displayed())
    page.one(".cm-content").click()
    page.press("g")
    assert page.one("#editor").is_displayed()


def test_a_machine_has_the_policies_that_are_chosen(page: Any) -> None:
    """A tracker chosen for the model is in the address and in the run."""
    page.open(program="munmap-middle", on=["model:6.1"], step=4)
    wait_for_step(page, 4)

    page.script(
        "const select = document.getElementById('tracker-0'); select.value = 'exact';"
        "select.dispatchEvent(new Event('change'));"
    )

    page.until(lambda: "tracker%3Dexact" in page.driver.current_url)
    page.until(lambda: "tracker=exact" in page.text("#table thead"))


def test_a_recorded_kernel_can_be_chosen(page: Any) -> None:
    """What real kernels did with the program stands among the machines."""
    page.open(program="munmap-middle", on=["model:6.1"])
    wait_for_step(page, 1)

    names = page.script(
        "return [...document.getElementById('which-0').options].map((option) => option.value)"
    )
    recorded = [name for name in names if name.startswith("recorded:6.1.")]
    page.open(program="munmap-middle", on=[recorded[0], "model:6.1"], step=3)

    wait_for_step(page, 3)
    assert "They differ" not in page.text("#says")


def test_the_graph_is_walked(page: Any) -> None:
    """From every state one goes on by an operation; the way is in the address, and back goes back."""
    page.open(view="graph", on="model:6.1", scope="small")
    page.until(lambda: page.all("#next button"))
    assert [] == page.violations()

    page.script("document.querySelector('#next button').click()")
    page.until(lambda: "way=0" in page.driver.current_url)
    page.until(lambda: page.all("#next .violates"))
    page.script("document.querySelector('#next .violates').click()")
    page.until(lambda: "Violated here" in page.text("#says"))
    assert "violated" in page.text("#properties .bad")
    assert [] == page.violations()
    page.keep("explorer-graph")
    page.driver.back()
    page.until(lambda: "No violations here" in page.text("#says"))
    page.driver.forward()
    page.until(lambda: "Violated here" in page.text("#says"))
    page.script("document.querySelector('#to-program').click()")
    page.until(lambda: page.one("#editor").is_displayed() and "mmap bar[0:4]" in page.text(".cm-content"))


def test_a_search_finds_counterexamples_as_ways(page: Any) -> None:
    """What breaks a property is a way through the graph that can be walked."""
    page.open(view="graph", on="model:6.1", scope="small")
    page.until(lambda: page.all("#next button"))

    page.script("document.querySelector('#search').click()")
    page.until(lambda: page.all("#counterexamples button"))
    page.script("document.querySelector('#counterexamples button').click()")

    page.until(lambda: "Violated here" in page.text("#says"))
    assert [] == page.violations()
    page.keep("explorer-counterexample")


def test_a_race_has_a_lane_for_each_processor(page: Any) -> None:
    """A program that holds a processor shows who waits for whom."""
    page.size(1400, 1900)
    page.open(program="race-flush-left-out", on="model:6.1", step=9)

    page.until(lambda: page.all("#lanes svg") and page.one("#race").is_displayed())
    assert [] == page.violations()
    lanes = page.script("return document.querySelector('#lanes svg').textContent")
    assert "held" in lanes
    assert "STALE" in lanes.upper()
    page.keep("explorer-race")


def test_the_quiz_asks_before_it_shows(page: Any) -> None:
    """One writes the next book, sees the truth, and the score is kept."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    page.script("localStorage.removeItem('pfnlab quiz')")
    page.open(program="munmap-middle", on="model:6.1", step=2)
    wait_for_step(page, 2)

    page.press("q")
    page.until(lambda: "munmap a" == page.text("#quiz-op"))
    page.one("#quiz-book").send_keys("bar[0:8] WC")
    page.one("#quiz-log").click()
    assert [] == page.violations()
    page.one("#quiz button").click()

    wait_for_step(page, 3)
    page.keep("explorer-quiz")
    assert "1 of 1 right" == page.text("#quiz-score")
    assert 2 == page.text("#quiz-said").count("Right")


def test_a_wrong_prediction_is_told(page: Any) -> None:
    """A book that is not so counts as asked, not as right."""
    page.open(program="munmap-middle", on="model:6.1", step=2)
    page.script("localStorage.removeItem('pfnlab quiz')")
    page.open(program="munmap-middle", on="model:6.1", step=2)
    wait_for_step(page, 2)

    page.press("q")
    page.until(lambda: "munmap a" == page.text("#quiz-op"))
    page.one("#quiz button").click()

    wait_for_step(page, 3)
    assert "0 of 1 right" == page.text("#quiz-score")
    assert "Wrong: the book is bar[0:8] wc" in page.text("#quiz-said")


def test_a_narrow_page_is_not_moved_sideways(page: Any) -> None:
    """On a phone everything stands below everything else."""
    page.size(360, 740)
    page.open(program="munmap-middle", on=TWO, step=3)
    wait_for_step(page, 3)

    assert not page.wide()
    assert [] == page.violations()
    page.script("document.querySelector('#showing').scrollIntoView()")
    page.keep("explorer-phone")


def test_a_dark_page_can_be_read(page: Any) -> None:
    """Who prefers it gets dark colours, of the same contrast."""
    page.dark(True)
    page.open(program="munmap-middle", on=TWO, step=3)
    wait_for_step(page, 3)

    ground = page.script("return getComputedStyle(document.documentElement).backgroundColor")
    assert "rgb(20, 23, 26)" == ground
    assert [] == page.violations()
    page.keep("explorer-dark")


def test_a_hostile_text_does_nothing(page: Any) -> None:
    """What looks like a page or a script is text, wherever it is shown."""
    hostile = "<img src=x onerror=document.title='got'><script>document.title='got'</script>"
    page.open(program="munmap-middle")
    text = f"pfnlab program 1\ntitle {hostile}\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"

    page.write(text)
    wait_for_step(page, 1)
    page.until(lambda: "Step 1 of 2" in page.text("#says"))
    page.write(text.replace("mmap", hostile))
    page.until(lambda: page.text("#mistake"))

    assert "pfnlab explorer" == page.driver.title
    assert not page.all("#showing img, #showing script, #asking img")


def test_without_the_token_the_page_says_what_to_do(page: Any) -> None:
    """Who comes without the address of the terminal gets no answer but this."""
    page.driver.get(page.base)
    page.script("localStorage.clear()")
    page.driver.get("about:blank")

    page.driver.get(page.base)

    page.until(lambda: "open the address that the terminal shows" in page.text("#says"))
    page.driver.get_log("browser")
