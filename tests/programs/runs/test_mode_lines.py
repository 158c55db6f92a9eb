"""The cache modes that mappings requested and got."""

from for_each import for_each

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.mode_lines import mode_lines, without_pages

HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\narea a: 16 pages\narea b: 16 pages\n\n"


def lines(*ops: str) -> tuple[str, ...]:
    """The lines after the last of *ops*."""
    program = load_text(HEAD + "\n".join(ops) + "\n")
    (run,) = ModelMachine("7.3").run([program])
    return mode_lines(program.ops, run.steps)[len(ops) - 1]


@for_each(
    ("ops", "expected"),
    [
        (["a = mmap bar[0:4] wc shared rw"], ("a[0:4] wc",)),
        (
            ["a = mmap bar[0:4] wc shared rw", "b = mmap bar[0:4] uc shared rw"],
            ("a[0:4] wc", "b[0:4] wc (asked uc-)"),
        ),
        # A fault looks the mode up: entries say what vm_page_prot does not.
        (
            ["a = mmap bar[0:4] wc shared rw", "b = mmap bar[0:4] driver fault uc- shared rw", "read b[0]"],
            ("a[0:4] wc", "b[0:4] wc (asked uc-)"),
        ),
        # Without entries there is no mode yet, whatever was asked for.
        (["b = mmap bar[0:4] driver fault uc- shared rw"], ()),
        (["a = mmap bar[0:4] wc shared rw", "zap_vma_ptes a[0:4]"], ()),
        # The last mapping of a page decides what it asked for, on both sides of it the first one.
        (
            [
                "a = mmap bar[0:8] driver remap wc shared rw",
                "mmap bar[8:10] driver remap uc- shared rw over a[2:4]",
            ],
            ("a[0:2] wc", "a[2:4] uc-", "a[4:8] wc"),
        ),
        # Memory without a device has no mode to ask for.
        (["a = mmap anon[0:4] private rw", "read a[0]"], ()),
        # What moves takes its wish along.
        (
            [
                "a = mmap bar[0:4] wc shared rw",
                "b = mmap bar[8:12] driver remap asis shared rw",
                "munmap b",
                "b = mremap a 4 pages maymove fixed",
            ],
            ("b[0:4] wc",),
        ),
    ],
)
def test_each_mapping_has_the_mode_it_got(ops: list[str], expected: tuple[str, ...]) -> None:
    """With the one it asked for, if that is another."""
    assert expected == lines(*ops)


def test_pieces_of_an_area_are_alike() -> None:
    """A split is no news."""
    assert without_pages(["p:a[0:16] wc"]) == without_pages(["p:a[0:4] wc", "p:a[8:16] wc"])
    assert without_pages(["a[0:16] wc"]) != without_pages(["a[0:16] uc- (asked wc)"])
