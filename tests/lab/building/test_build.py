"""A kernel from a tree: built once for each content, booted, stored, and nothing left of one that failed."""

from pathlib import Path

import pytest
from toy_tree import PATCH, toy_tree

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.base.part_times import PartTimes
from pfnlab.lab.building import build as building
from pfnlab.lab.building import patch_file
from pfnlab.lab.building.build import build, check_patches
from pfnlab.lab.building.built import BuiltKernel, built_kernels
from pfnlab.lab.building.fragments import REQUIRED
from pfnlab.lab.images.kernels import KernelImage


class Lab:
    """Builds toy trees, and counts what was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = toy_tree(folder / "linux")
        self.boots: list[KernelImage] = []
        self.said: list[str] = []
        self.refusal = ""

    def boot(self, kernel: KernelImage) -> None:
        self.boots.append(kernel)
        if self.refusal:
            raise Undecided(self.refusal)

    def build(
        self, *patches: Path, name: str | None = None, tree: str | None = None, reverts: tuple[str, ...] = ()
    ) -> BuiltKernel:
        source = tree or str(self.tree)
        return build(
            source, patches, reverts=reverts, name=name, jobs=1, say=self.said.append, boot=self.boot
        )

    def patch(self, text: str = PATCH) -> Path:
        path = self.folder / "one-line.patch"
        path.write_text(text)
        return path


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Where no tools of a real build are needed."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(building, "check_tools", lambda: None)
    monkeypatch.setattr(building, "compiler", lambda: "gcc 12")
    monkeypatch.setattr(building, "has_driver", lambda kernel: True)
    return Lab(tmp_path)


@pytest.mark.target("building")
def test_a_kernel_is_named_after_its_tree_and_patches(lab: Lab) -> None:
    """The folder's name and the patch's, where the user gives no name."""
    assert lab.build(lab.patch()).name == "linux-one-line"


def test_a_name_of_ones_own(lab: Lab) -> None:
    """A name that the user gives is the kernel's."""
    assert lab.build(name="mine").name == "mine"


def test_it_is_of_the_series_of_its_makefile(lab: Lab) -> None:
    """VERSION and PATCHLEVEL of the tree's Makefile say the series."""
    assert lab.build().series == "7.2"


def test_it_has_the_release_of_its_image(lab: Lab) -> None:
    """The release is read out of the image that was built."""
    assert lab.build().release == "7.2.13"


@pytest.mark.target("building")
def test_it_means_what_its_patches_say(lab: Lab) -> None:
    """The policy in the head of its patch is the kernel's."""
    assert lab.build(lab.patch()).policy == "flush=end_vma"


@pytest.fixture
def revert(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A patch that takes a commit out of the toy tree's series."""
    folder = lab.folder / "reverts"
    folder.mkdir()
    path = folder / "revert-04c35ab3bdae-7.2.patch"
    path.write_text(PATCH.replace("flush=end_vma", "without=04c35ab3bdae"))
    monkeypatch.setattr(patch_file, "reverts_folder", lambda: folder)
    return path


@pytest.mark.target("building")
def test_a_kernel_without_a_commit_is_called_so(lab: Lab, revert: Path) -> None:
    """Name and policy say what it lacks, so that the model can be asked the same."""
    kernel = lab.build(reverts=("04c35ab3",))

    assert ("linux-without-04c35ab3bdae", "without=04c35ab3bdae") == (kernel.name, kernel.policy)
    assert b"int patched;" in kernel.image.vmlinuz.read_bytes()


@pytest.mark.target("building")
def test_a_patch_in_reverse_is_another_kernel(lab: Lab, revert: Path) -> None:
    """The same file, put on and taken out, is two kernels."""
    put_on = lab.build(lab.patch())
    lab.tree.joinpath("mm", "memory.c").write_text("int first;\nint patched;\nint last;\n")

    taken_out = lab.build(reverts=(str(lab.patch()),))

    assert ("linux-without-one-line", "", ("one-line.patch in reverse",)) == (
        taken_out.name,
        taken_out.policy,
        taken_out.patches,
    )
    assert put_on.content != taken_out.content
    assert b"int patched;" not in taken_out.image.vmlinuz.read_bytes()


def test_a_commit_without_a_patch_ends_before_anything_is_built(lab: Lab, revert: Path) -> None:
    """One line, and nothing was said."""
    with pytest.raises(Misuse, match=r"removes 1234567 from 7\.2: for 7\.2 there are 04c35ab3bdae; "):
        lab.build(reverts=("1234567",))
    assert lab.said == []


def test_it_knows_which_functions_nothing_calls(lab: Lab) -> None:
    """A function that the compiler dropped has no address to stop at, and is kept with the kernel."""
    assert lab.build().uncalled == ("vm_area_dup",)


def test_it_is_booted_once(lab: Lab) -> None:
    """A kernel is tried before it is kept."""
    lab.build()
    assert len(lab.boots) == 1


@pytest.mark.target("building")
def test_what_is_booted_is_what_is_kept(lab: Lab) -> None:
    """The image in the cache is the one of the patched tree."""
    kept = lab.build(lab.patch())
    assert b"int patched;" in kept.image.vmlinuz.read_bytes()


def test_the_same_again_is_not_built(lab: Lab) -> None:
    """An equal tree under the same name is built and booted once."""
    lab.build()
    lab.build()
    assert (len(lab.boots), lab.said[-1]) == (1, "linux: exactly this was built before")


def test_the_same_under_another_name_is_there_too(lab: Lab) -> None:
    """An equal tree under another name is kept under both."""
    lab.build(name="one")
    lab.build(name="two")
    assert [kernel.name for kernel in built_kernels()] == ["one", "two"]


@pytest.mark.target("building")
def test_a_patch_is_another_kernel(lab: Lab) -> None:
    """A tree with a patch is built anew."""
    lab.build()
    lab.build(lab.patch())
    assert len(lab.boots) == 2


def compiled(lab: Lab) -> list[str]:
    """What the last build compiled, as its log says."""
    (log,) = (lab.folder / "cache" / "trees").glob("*/out-*/pfnlab.log")
    return sorted(line.split()[1] for line in log.read_text().splitlines() if line.startswith("  CC "))


@pytest.mark.target("building")
def test_a_build_compiles_what_differs_from_the_last_one(lab: Lab) -> None:
    """Files that a patch touches, those that get their originals back, and of two versions what differs."""
    memory, vma = "mm/memory.o", "mm/vma.o"
    both = PATCH + PATCH[PATCH.index("--- a") :].replace("memory.c", "vma.c")
    found = []

    for text in (
        "",
        PATCH,
        PATCH.replace("memory.c", "vma.c"),
        both,
        both.replace("+int patched", "+int v2", 1),
    ):
        lab.build(*[lab.patch(text)] * bool(text))
        found.append(compiled(lab))

    assert [[memory, vma], [memory], [memory, vma], [memory], [memory]] == found


@pytest.mark.target("building")
def test_the_times_of_a_build_are_told_by_part(lab: Lab) -> None:
    """In order; what was built before is only unpacked."""
    first, again = PartTimes(), PartTimes()
    for parts in (first, again):
        build(str(lab.tree), jobs=1, say=lab.said.append, boot=lab.boot, parts=parts)

    assert (["unpack", "configure", "build", "boot"], ["unpack"]) == ([*first.seconds], [*again.seconds])


def test_a_patch_is_checked_without_a_build(lab: Lab) -> None:
    """Nothing is said of one that applies, and nothing is kept; the other is named."""
    check_patches(str(lab.tree), [lab.patch()], (), say=lab.said.append)
    with pytest.raises(Undecided, match="does not apply"):
        other = lab.patch(PATCH.replace("int last", "int least"))
        check_patches(str(lab.tree), [other], (), say=lab.said.append)

    assert ([], []) == (lab.boots, built_kernels())


def test_without_its_driver_it_is_built_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept kernel whose driver is gone is not taken for whole."""
    lab.build()
    monkeypatch.setattr(building, "has_driver", lambda kernel: False)
    lab.build()
    assert len(lab.boots) == 2


def test_a_tree_that_does_not_build_keeps_nothing(lab: Lab) -> None:
    """The compiler's first error is the message, and no kernel is kept."""
    (lab.tree / "mm" / "memory.c").write_text("#error wrong\n")
    with pytest.raises(Undecided, match=r"the tree does not build: mm/memory\.c:1:2: error: #error wrong"):
        lab.build()
    assert built_kernels() == []


def test_one_that_does_not_come_up_keeps_nothing(lab: Lab) -> None:
    """A kernel that does not boot is not kept."""
    lab.refusal = "it panicked"
    with pytest.raises(Undecided, match="it panicked"):
        lab.build()
    assert built_kernels() == []


def test_a_tree_that_lacks_what_the_lab_needs_is_not_built(lab: Lab) -> None:
    """An option the lab cannot do without is named before anything is compiled."""
    (lab.tree / "absent").write_text(f"CONFIG_{REQUIRED[2]}\n")
    with pytest.raises(MissingTool, match=rf"^linux has no CONFIG_{REQUIRED[2]}, which the lab needs"):
        lab.build()
    assert lab.boots == []


def test_a_tree_that_lacks_an_option_says_which(lab: Lab) -> None:
    """An option that only some programs need is noted with the kernel."""
    (lab.tree / "absent").write_text("CONFIG_KSM\n")
    assert lab.build().lacks == ("KSM",)


def test_a_tree_without_modules_is_built_without_a_driver(lab: Lab) -> None:
    """Such a build succeeds, and says what stays undecided."""
    lab.build()
    assert any("programs that need it stay undecided" in line for line in lab.said)


def test_a_patch_that_is_not_there_is_named(lab: Lab) -> None:
    """A missing file is misuse, with its name."""
    with pytest.raises(Misuse, match=r"no\.patch: no such file: check the path"):
        lab.build(lab.folder / "no.patch")


@pytest.mark.target("building")
def test_the_tree_stays_as_it_was(lab: Lab) -> None:
    """No file of the user's tree is changed, added or touched."""
    before = sorted((path, path.stat().st_mtime_ns) for path in lab.tree.rglob("*"))
    lab.build(lab.patch())
    assert sorted((path, path.stat().st_mtime_ns) for path in lab.tree.rglob("*")) == before
