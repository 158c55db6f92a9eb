"""``pfnlab review --patch``: exit codes, JSON, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

from asking import Ask
from for_each import for_each

MAILS = Path(__file__).parents[1] / "verbs" / "posted_mails"


def test_a_patch_is_answered_in_text_and_json(ask: Ask) -> None:
    """With exit code 0: nothing was built or judged."""
    text = ask("review", "--patch", str(MAILS / "T01-stable.mbox"))
    printed = ask("review", "--patch", str(MAILS / "T01-stable.mbox"), "--json")

    assert (0, 0) == (text.code, printed.code)
    assert "unmap_region (changed)" in text.out
    assert "pfnlab-patch-review/1" == json.loads(printed.out)["format"]


def test_a_patch_elsewhere_is_one_line(ask: Ask, tmp_path: Path) -> None:
    """It is not misuse."""
    path = tmp_path / "slub.patch"
    path.write_text(
        "--- a/mm/slub.c\n+++ b/mm/slub.c\n@@ -1 +1 @@ int slab_init(void)\n-\told();\n+\tnew();\n"
    )
    answer = ask("review", "--patch", str(path))

    assert (0, 1) == (answer.code, answer.out.count("\n"))
    assert (
        "1 patch, no known function of PFN mappings touched, 1 other function changed: slab_init.\n"
        == answer.out
    )


@for_each(
    ("words", "says"),
    [
        (("--patch", "README"), "is not a patch"),
        (("--patch", "README", "--base", "7.2"), "--patch excludes --base: drop --base"),
        (("flush=none", "--patch", "README"), "--patch excludes DESIGN"),
        (("x.patch",), "x.patch is not a DESIGN: to review a patch, write --patch x.patch"),
        (("-",), "- is not a DESIGN: to review a patch, write --patch -"),
        (("README",), "README is not a DESIGN: to review a patch, write --patch "),
        # Not the name of a patch: the designs are told, as before.
        (("flush=patch",), "flush"),
        (("--patch", "README", "b.mbox"), "b.mbox has no --patch: write --patch before each file"),
        ((), "nothing to review: write a DESIGN, e.g. flush=first_vma, or --patch FILE"),
    ],
)
def test_misuse_is_one_line(ask: Ask, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """With exit code 2."""
    readme = tmp_path / "README"
    readme.write_text("A text.\n")
    answer = ask("review", *(str(readme) if word == "README" else word for word in words))

    assert (2, 1) == (answer.code, answer.err.count("\n"))
    assert says in answer.err


def test_several_patches_are_reviewed_as_one_series(ask: Ask) -> None:
    """None is dropped, and the command takes all of them."""
    names = [str(MAILS / name) for name in ("T01-stable.mbox", "T03-repost.mbox")]
    answer = ask("review", "--patch", names[0], "--patch", names[1])

    assert answer.out.startswith("2 patches, ")
    assert "unmap_region (changed)" in answer.out and "unmap_single_vma (changed" in answer.out
    assert f"--patch {names[0]} --patch {names[1]}\n" in answer.out


def test_each_file_has_to_be_a_patch(ask: Ask, tmp_path: Path) -> None:
    """Also after one that is."""
    text = tmp_path / "text"
    text.write_text("A text.\n")
    answer = ask("review", "--patch", str(MAILS / "T01-stable.mbox"), "--patch", str(text))

    assert 2 == answer.code
    assert "text is not a patch" in answer.err
