"""The guest image: its form, and when it is compiled."""

import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from damages import DAMAGES, Damage
from having import NEW, OLD, bootable, have

from pfnlab.base.errors import Defect, MissingTool, Misuse, Undecided
from pfnlab.lab.images.driver_module import driver_for
from pfnlab.lab.images.image import DriverImage, guest_image, holds, initramfs
from pfnlab.lab.running.placement import check_placeable
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

needs_compiler = pytest.mark.skipif(
    not (shutil.which("gcc") or shutil.which("cc")),
    reason="no C compiler (apt-get install --no-install-recommends gcc libc6-dev)",
)


def members(archive: bytes) -> Iterator[tuple[str, list[int], bytes]]:
    """Name, header fields and content of each member of a newc archive."""
    at = 0
    while True:
        header = archive[at : at + 110]
        assert header[:6] == b"070701"
        fields = [int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        name_at = at + 110
        name = archive[name_at : name_at + fields[11] - 1].decode()
        content_at = (name_at + fields[11] + 3) & ~3
        content = archive[content_at : content_at + fields[6]]
        if name == "TRAILER!!!":
            return
        yield name, fields, content
        at = (content_at + fields[6] + 3) & ~3


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return tmp_path


def test_initramfs_members():
    """
    The archive holds the mount points, a console and init, directories before what is in them.
    """
    names = [name for name, _, _ in members(initramfs(b"agent"))]

    assert names == ["dev", "proc", "sys", "dev/console", "init"]


def test_initramfs_init_is_unchanged():
    """
    The content of init comes back byte for byte, also when its size is no multiple of four.
    """
    found = {name: content for name, _, content in members(initramfs(b"agent"))}

    assert found["init"] == b"agent"


def test_initramfs_of_more_files():
    """
    They lie beside init, unchanged.
    """
    found = {name: content for name, _, content in members(initramfs(b"agent", {"one.ko": b"module"}))}

    assert (found["init"], found["one.ko"]) == (b"agent", b"module")


def test_initramfs_init_is_executable():
    """
    Init is a regular file everybody may execute.
    """
    found = {name: fields for name, fields, _ in members(initramfs(b"agent"))}

    assert found["init"][1] == stat.S_IFREG | 0o755


def test_initramfs_console_is_a_device():
    """
    The console is the character device 5:1, as the kernel opens it before init starts.
    """
    found = {name: fields for name, fields, _ in members(initramfs(b"agent"))}

    assert found["dev/console"][9:11] == [5, 1]


@needs_compiler
def test_guest_image_holds_an_executable(cache: Path):
    """
    The image's init is an ELF file.
    """
    found = {name: content for name, _, content in members(guest_image().read_bytes())}

    assert found["init"][:4] == b"\x7fELF"


@needs_compiler
def test_guest_image_is_cached(cache: Path):
    """
    A second call compiles nothing: the file stays as it was.
    """
    before = guest_image().stat()

    after = guest_image().stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.target("long")
@needs_compiler
def test_guest_image_leaves_nothing_else(cache: Path):
    """
    Compiling leaves the image in the cache with its checksum, and no working files.
    """
    image = guest_image()

    assert [image.name, f"{image.name}.sha256"] == sorted(path.name for path in image.parent.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with both images in it, and the file that one of them holds."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "x").write_bytes(b"content")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PFNLAB_CACHE", str(folder))
        guest_image({"x": folder / "x"})
    return folder


@pytest.mark.target("long")
@needs_compiler
@pytest.mark.xdist_group("built image")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("extra", [False, True], ids=["agent", "with a file"])
def test_a_damaged_image_is_made_anew(cache: Path, built: Path, damage: Damage, extra: bool):
    """
    Whatever happened to it in the cache, the next one who asks gets it as it was.
    """
    shutil.copytree(built, cache, dirs_exist_ok=True)
    files = {"x": cache / "x"} if extra else None
    image = guest_image(files)
    whole = image.read_bytes()
    damage(image)

    again = guest_image(files)

    assert (image, whole) == (again, again.read_bytes())


@pytest.mark.target("long")
@needs_compiler
def test_an_image_is_announced_once(cache: Path):
    """
    Compiling is said before it is done; nothing is said when there is nothing to do.
    """
    said = list[str]()

    for _ in range(2):
        guest_image(say=said.append)

    assert ["compiling the guest agent (seconds, 1 MiB)"] == said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_compiler_without_room(cache: Path, monkeypatch: pytest.MonkeyPatch):
    """
    When the disk is full the compiler is not to blame, and nothing half made is left.
    """
    full = cache / "fullcc"
    full.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\necho half > init\nls > /dev/full\n')
    full.chmod(0o755)
    monkeypatch.setenv("CC", str(full))

    with pytest.raises(Undecided) as raised:
        guest_image()

    assert f"the cache {cache} cannot be used: No space left on device; set PFNLAB_CACHE or free room" == str(
        raised.value
    )
    assert [] == list((cache / "guest").iterdir())


@pytest.mark.target("long")
@needs_compiler
def test_guest_image_follows_the_compiler(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Another compiler version makes another image.
    """
    first = guest_image()
    other = tmp_path / "othercc"
    other.write_text('#!/bin/sh\n[ "$1" = --version ] && echo othercc 1.0 && exit\nexec gcc "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("CC", str(other))

    assert first != guest_image()


def test_guest_image_without_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Without a compiler the error names the packages to install.
    """
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(cache))

    with pytest.raises(MissingTool, match="apt-get install --no-install-recommends gcc libc6-dev"):
        guest_image()


@needs_compiler
def test_guest_image_that_does_not_compile(cache: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A compiler that fails is named together with what it complained about.
    """
    broken = cache / "brokencc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\necho "ld: cannot find -lc" >&2\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))

    with pytest.raises(MissingTool, match="cannot find -lc"):
        guest_image()


@needs_compiler
def test_an_agent_that_a_compiler_refuses_is_a_defect(cache: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A compiler that works and does not take the agent is not what is missing.
    """
    strict = cache / "strictcc"
    strict.write_text(
        '#!/bin/sh\ncase "$*" in *vfio.c*) echo "vfio.c:96: error: implicit declaration" >&2; exit 1;; esac\n'
        'exec gcc "$@"\n'
    )
    strict.chmod(0o755)
    monkeypatch.setenv("CC", str(strict))

    with pytest.raises(Defect, match=r"does not compile with gcc .*vfio\.c:96: error: implicit declaration"):
        guest_image()


def test_an_image_holds_its_files(tmp_path: Path):
    """
    By their names, which nothing but the whole name is.
    """
    image = tmp_path / "x.cpio"
    image.write_bytes(initramfs(b"agent"))

    assert (holds(image, "init"), holds(image, "vfio-00.ko")) == (True, False)


HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"

PLAIN = "a = mmap bar[0:8] wc shared rw\n"
ZAP = """\
a = mmap bar[0:8] driver remap wc shared rw
zap_vma_ptes a[0]
mincore a
b = mmap bar[0:4] driver ram wc shared rw
c = fork
unmap_mapping_range bar[4:8]
c: munmap a
munmap a
"""


def program(text: str) -> Program:
    """A program text without its head."""
    return load_text(HEAD + text)


def test_the_image_is_made_once(tmp_path: Path) -> None:
    """However many guests need it."""
    asked = []

    def build() -> Path:
        asked.append(1)
        return tmp_path

    image = DriverImage(build)

    assert ([image.path(), image.path()], [1]) == ([tmp_path] * 2, asked)


def test_what_cannot_be_had_is_not_asked_for_again() -> None:
    """The archive is asked once; every program is told the same."""
    asked = []

    def build() -> Path:
        asked.append(1)
        raise MissingTool("no headers for 6.5")

    image = DriverImage(build)
    for _ in range(2):
        with pytest.raises(Undecided, match=r"^no headers for 6\.5$"):
            image.path()

    assert [1] == asked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = mmap bar[0:2000] wc shared rw\nmincore a\n", "at most 1024 pages, not 2000"),
        ("a = mmap bar[0:17] driver ram shared rw\n", "16 pages of RAM, not 17"),
    ],
)
def test_what_no_guest_can_answer_is_refused(text: str, why: str) -> None:
    """Before anything runs."""
    with pytest.raises(Misuse, match=why):
        check_placeable(load_text("pfnlab program 1\ndevice bar: pci, 2000 pages\n" + text))


@pytest.mark.lab
def test_without_headers_only_driver_programs_are_undecided() -> None:
    """The others run on the same kernel."""
    kernel = replace(bootable(OLD), release="6.1.0-1-none", version="6.1.1-1")

    with QemuMachine(kernel, guests=1) as machine:
        runs = machine.run([program(ZAP), program(PLAIN)])

    assert str(runs[0].undecided).startswith("no headers for 6.1.0-1-none: ")
    assert (runs[0].steps, runs[1].unfinished, len(runs[1].steps)) == ((), None, 2)


@pytest.mark.lab
@pytest.mark.parametrize("series", [OLD, NEW])
def test_a_driver_program_does_on_the_kernel_what_the_model_says(series: str) -> None:
    """Between programs without the driver, whose guests have none."""
    kernel = bootable(series)
    have(lambda: driver_for(kernel))
    programs = [program(PLAIN), program(ZAP), program(PLAIN)]

    with QemuMachine(series, guests=1) as machine:
        runs = machine.run(programs)

    predicted = ModelMachine(series).run(programs)
    assert [None] * 3 == [run.unfinished for run in runs]
    assert [[], [], []] == [differences(list(pair)) for pair in zip(predicted, runs, strict=True)]
