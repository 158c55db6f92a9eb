"""The test driver's module: built for a kernel, cached, and brought into a guest."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from damages import DAMAGES, Damage
from driver_guest import ASKED, NEW, OLD, Lab
from having import bootable, have

from pfnlab.base.errors import MissingTool, PfnlabError, Undecided
from pfnlab.lab.images import driver_module
from pfnlab.lab.images.archive import Package, PackageOffer
from pfnlab.lab.images.driver_module import MODULE, driver_for, modules_for
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest

lab = pytest.mark.lab
#: A module is built once where one worker asks for a kernel's.
of_kernels = pytest.mark.parametrize(
    "series", [pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED]
)
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


@pytest.fixture
def own_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelImage:
    """A kernel of the user's own and an empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return KernelImage("", "", "6.5.0-mine", "6.5.0-mine", tmp_path / "bzImage", "")


@lab
@of_kernels
def test_driver_is_built(series: str):
    """
    The module of a series with headers is for exactly that kernel.
    """
    kernel = bootable(series)

    assert f"vermagic={kernel.release} ".encode() in have(lambda: driver_for(kernel)).read_bytes()


@lab
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_driver_is_cached():
    """
    A second call builds nothing: the file stays as it was.
    """
    kernel = bootable(NEW)
    before = have(lambda: driver_for(kernel)).stat()

    after = driver_for(kernel).stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.fixture
def made_up(own_kernel: KernelImage, monkeypatch: pytest.MonkeyPatch) -> KernelImage:
    """A kernel with headers in an archive that is asked for nothing, and a compiler that is not run."""

    def headers(makefile: Path) -> None:
        makefile.parent.mkdir(parents=True)
        makefile.write_text("all:")

    def build(kernel: KernelImage, sources: object, kit: Path, module: Path) -> None:
        module.write_bytes(b"built")

    packages = [PackageOffer(Package("linux-headers", "1", "suite", 3000000), 5000)]
    monkeypatch.setattr(driver_module, "suites_of", lambda kernel: ["suite"])
    monkeypatch.setattr(driver_module.Archive, "of_this_machine", lambda root: None)
    monkeypatch.setattr(driver_module, "_header_packages", lambda *_: packages)
    monkeypatch.setattr(driver_module, "_unpack", lambda *_: None)
    monkeypatch.setattr(driver_module, "_relocate", headers)
    monkeypatch.setattr(driver_module, "_build", build)
    return replace(own_kernel, version="6.5-1")


@needs_gcc
def test_what_a_driver_takes_is_said_before(made_up: KernelImage):
    """
    One line for the headers, with their size, and one for the build; none when it is in the cache.
    """
    said = list[str]()

    for _ in range(2):
        driver_for(made_up, say=said.append)

    assert [
        "fetching headers of 6.5-1 (about 3 MiB, 5 MiB on disk)",
        "building the guest driver for 6.5.0-mine (some seconds)",
    ] == said


@needs_gcc
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_driver_is_built_anew(made_up: KernelImage, damage: Damage):
    """
    With the headers that are there, for these are whole.
    """
    said = list[str]()
    module = driver_for(made_up)
    damage(module)

    driver_for(made_up, say=said.append)

    assert b"built" == module.read_bytes()
    assert not any(line.startswith("fetching") for line in said)


@needs_gcc
@pytest.mark.parametrize("name", ["cut", "empty", "flipped", "gone"])
def test_damaged_headers_are_fetched_anew(made_up: KernelImage, name: str):
    """
    Before anything is built with them.
    """
    module = driver_for(made_up)
    module.unlink()
    makefile = module.parents[1] / "headers" / "6.5-1" / "usr/src/linux-headers-6.5.0-mine/Makefile"
    DAMAGES[name](makefile)

    driver_for(made_up)

    assert "all:" == makefile.read_text()


class Suite:
    """An archive with one suite, of which *packages* are the names and versions."""

    def __init__(self, *packages: tuple[str, str], depends: str = "") -> None:
        self.packages, self.depends = packages, depends

    def find(self, suites: list[str], name: str, version: str = "", *, say: object) -> PackageOffer | None:
        """The package of that version, or the last of that name."""
        found = [
            Package(name, each, suites[0], 1)
            for known, each in self.packages
            if known == name and version in ("", each)
        ]
        return PackageOffer(found[-1], 1, self.depends) if found else None


def _needed(own_kernel: KernelImage, *others: tuple[str, str]) -> list[tuple[str, str]]:
    depends = "linux-headers-6.5.0-common (= 6.5-1), linux-kbuild-6.5 (>= 6.5-1), linux-compiler-gcc-12-x86"
    suite = Suite(("linux-headers-6.5.0-mine", "6.5-1"), *others, depends=depends)
    kernel = replace(own_kernel, version="6.5-1")
    found = driver_module._header_packages(suite, kernel, ["suite"], lambda said: None)  # type: ignore[arg-type]
    return [(each.package.name, each.package.version) for each in found[1:]]


def test_tools_of_a_later_revision_build_for_a_kernel_the_archive_still_has(own_kernel: KernelImage):
    """
    As its headers say: kbuild may be newer. It happens for a day or two with each security update.
    """
    common = ("linux-headers-6.5.0-common", "6.5-1")

    assert [common, ("linux-kbuild-6.5", "6.5-2")] == _needed(
        own_kernel, common, ("linux-kbuild-6.5", "6.5-2")
    )
    assert [common, ("linux-kbuild-6.5", "6.5-1")] == _needed(
        own_kernel, common, ("linux-kbuild-6.5", "6.5-1"), ("linux-kbuild-6.5", "6.5-2")
    )


@pytest.mark.parametrize(
    ("others", "lost"),
    [
        (
            [("linux-headers-6.5.0-common", "6.5-2"), ("linux-kbuild-6.5", "6.5-2")],
            "linux-headers-6.5.0-common",
        ),
        ([("linux-headers-6.5.0-common", "6.5-1")], "linux-kbuild-6.5"),
    ],
)
def test_headers_that_are_no_longer_whole_are_refused(
    own_kernel: KernelImage, others: list[tuple[str, str]], lost: str
):
    """
    Common headers must be of that version; tools of some version.
    """
    with pytest.raises(MissingTool, match=f"the archive no longer has {lost} 6.5-1"):
        _needed(own_kernel, *others)


@lab
@of_kernels
def test_driver_names_no_folder(series: str):
    """
    Nothing in the module says where it was built.
    """
    module = have(lambda: driver_for(bootable(series)))

    assert str(module.parents[1]).encode() not in module.read_bytes()


@lab
def test_no_headers():
    """
    A kernel whose headers the archive does not hold leaves the question open and says why.
    """
    kernel = replace(bootable(OLD), release="6.1.0-1-none", version="6.1.1-1")

    with pytest.raises(Undecided, match=r"^no headers for 6.1.0-1-none: the archive has no linux-headers"):
        driver_for(kernel)


@needs_gcc
def test_no_headers_for_own_kernel(own_kernel: KernelImage):
    """
    For a kernel that came from nowhere known there are no headers.
    """
    with pytest.raises(MissingTool, match=r"^no headers for 6.5.0-mine: it is not a kernel of the archive"):
        driver_for(own_kernel)


def test_no_compiler(own_kernel: KernelImage, monkeypatch: pytest.MonkeyPatch):
    """
    Without a compiler the error names the packages to install.
    """
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(MissingTool, match="`gcc` is not on this machine: apt-get install"):
        driver_for(own_kernel)


@needs_gcc
def test_space_in_cache(own_kernel: KernelImage, monkeypatch: pytest.MonkeyPatch):
    """
    A cache directory that make cannot name is refused before anything is fetched.
    """
    monkeypatch.setenv("PFNLAB_CACHE", "/tmp/a b")

    with pytest.raises(PfnlabError, match="has a space in it"):
        driver_for(own_kernel)


@lab
def test_broken_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A source that does not compile is told in one line, with the compiler's first error and no folder.
    """
    kernel = bootable(OLD)
    have(lambda: driver_for(kernel))
    (tmp_path / "Kbuild").write_text("obj-m := bad.o\n")
    (tmp_path / "bad.c").write_text("int good;\nint bad = ;\n")
    monkeypatch.setattr(driver_module, "_sources", lambda: sorted(tmp_path.iterdir()))

    with pytest.raises(Undecided) as raised:
        driver_for(kernel)

    assert str(raised.value).startswith(
        f"the driver cannot be built for {kernel.release}: bad.c:2:11: error: expected expression before"
    )


@lab
@pytest.mark.xdist_group(f"kernel-{NEW}")
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('MODULE_DESCRIPTION("none");\nstatic int unused;\n', "other.c:3:12: error: 'unused' defined but"),
        ('MODULE_INFO(description, "");\nint bad = ;\n', "other.c:3:11: error: expected expression before"),
        ("int good;\nextern int gone;\nint *at = &gone;\n", "gone"),
    ],
)
def test_another_module_is_built_without_a_warning(source: str, says: str, tmp_path: Path):
    """
    What the compiler or the kernel's build only warns of is an error too.
    """
    kernel = bootable(NEW)
    have(lambda: driver_for(kernel))
    text = f'#include <linux/module.h>\n{source}MODULE_LICENSE("GPL");\n'

    with pytest.raises(Undecided, match="a module cannot be built for") as raised:
        modules_for(kernel, {"Kbuild": "obj-m := other.o\n", "other.c": text}, tmp_path)

    assert says in str(raised.value).replace("‘", "'").replace("’", "'")


@needs_gcc
def test_image_with_a_file(tmp_path: Path):
    """
    More files follow the agent's own archive in a second one.
    """
    (tmp_path / "x").write_bytes(b"content of the file")

    larger, plain = guest_image({"x": tmp_path / "x"}).read_bytes(), guest_image().read_bytes()

    assert larger.startswith(plain) and b"content of the file" in larger[len(plain) :]


@lab
def test_guest_without_driver():
    """
    A program that needs the driver is refused where the image has none.
    """
    with Guest(bootable(OLD).vmlinuz) as guest:
        answers = Lab(guest).ask("driver ram")

    assert answers.error == "there is no driver in this image"


@lab
def test_guest_with_driver_of_another_kernel():
    """
    A module that was built for another kernel is named as such.
    """
    module = have(lambda: driver_for(bootable(NEW)))

    with Guest(bootable(OLD).vmlinuz, GuestShape(image=guest_image({MODULE: module}))) as guest:
        answers = Lab(guest).ask("driver ram")

    assert answers.error == "the driver was built for another kernel"
