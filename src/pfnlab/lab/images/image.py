"""The guest image: an initramfs with the agent, compiled from ``lab/guest``, and additional files."""

import hashlib
import os
import shlex
import shutil
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pfnlab.base.errors import Defect, MissingTool, Undecided
from pfnlab.lab.images.cache import cache_root, kept, quiet
from pfnlab.lab.images.tools import run

#: Compiler flags for the agent; part of the image's key.
FLAGS = (
    "-std=gnu11", "-O2", "-Wall", "-Wextra", "-s",
    # Without this flag, a verb that no task executes would be answered as if it had been executed.
    "-Werror=switch",
    # Position-independent, so that it is loaded above the program areas: smaps is read only up to that point.
    "-static-pie", "-fpie",
    # Fewer segments mean fewer VMAs for fork to copy in every task.
    "-Wl,-z,noseparate-code,-z,norelro",
)  # fmt: skip

_COMPILE_LIMIT = 120.0
_REMEDY = "apt-get install --no-install-recommends gcc libc6-dev"


def guest_image(extra: Mapping[str, Path] | None = None, *, say: Callable[[str], None] = quiet) -> Path:
    """The initramfs that guests boot from, compiled on the first call and cached afterwards.

    :param extra: additional files for the guest, by their name in its top folder
    :raises MissingTool: if there is no C compiler, or it has no static C library
    :raises Defect: if the compiler works, but the agent does not compile
    :raises Undecided: if the cache cannot be written to, or is full
    """
    image = _agent_image(say)
    if not extra:
        return image
    # Read once, so that the stored content is sure to match its name.
    archive = _archive(extra)
    combined = image.with_name(f"{image.stem}-{hashlib.sha256(archive).hexdigest()[:16]}.cpio")

    def make(part: Path) -> None:
        part.write_bytes(image.read_bytes() + archive)

    return kept(combined, make, say=say)


def _agent_image(say: Callable[[str], None]) -> Path:
    sources = _sources()
    compiler = _compiler()
    key = hashlib.sha256(repr((_version(compiler), FLAGS)).encode())
    for name, source in sources.items():
        key.update(f"\0{name}\0".encode())
        key.update(source.read_bytes())

    def make(part: Path) -> None:
        say("compiling the guest agent (seconds, 1 MiB)")
        part.write_bytes(initramfs(_compile(compiler, sources, part.with_name("build"))))

    return kept(cache_root() / "guest" / f"{key.hexdigest()[:16]}.cpio", make, say=say)


def extended(image: Path, extra: Mapping[str, Path], into: Path) -> None:
    """Write *image* plus *extra* files (by name in the guest's top folder) to *into*, outside the cache.

    The kernel unpacks concatenated archives over one another.
    """
    into.write_bytes(image.read_bytes() + _archive(extra))


def _archive(extra: Mapping[str, Path]) -> bytes:
    members = []
    for name, path in sorted(extra.items()):
        # Keeps executable files executable.
        mode = stat.S_IFREG | (0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        members.append(_member(name, mode, path.read_bytes()))
    return b"".join([*members, _member("TRAILER!!!", 0)])


def holds(image: Path, name: str) -> bool:
    """True if the image has a file called *name*."""
    return name.encode() + b"\0" in image.read_bytes()


def initramfs(init: bytes, extra: Mapping[str, bytes] | None = None) -> bytes:
    """An initramfs (cpio, newc format) with *init* as ``/init``, a console, and empty mount points.

    It is not compressed, because the emulated guest reads faster than it inflates.

    :param extra: additional files, by their name in its top folder
    """
    members = [_member(name, stat.S_IFDIR | 0o755) for name in ("dev", "proc", "sys")]
    members.append(_member("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
    members.append(_member("init", stat.S_IFREG | 0o755, init))
    members += [_member(name, stat.S_IFREG | 0o644, content) for name, content in (extra or {}).items()]
    return b"".join([*members, _member("TRAILER!!!", 0)])


def _member(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    # Inode, mode, uid, gid, links, mtime, size, device of the file, its device number, name size, checksum.
    # The inode may be 0: only files with a link count above 1 are treated as hard links.
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _aligned(header + path) + _aligned(content)


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _sources() -> dict[str, Traversable]:
    folder = resources.files("pfnlab.lab") / "guest"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith((".c", ".h")))
    if not names:
        raise Defect(f"the agent's sources are missing from {folder}: this installation is incomplete")
    calls = sorted(f"calls/{file.name}" for file in (folder / "calls").iterdir())
    return {name: folder / name for name in [*names, *calls, "driver/pfnlab.h"]}


# The command for the C compiler: $CC, which may include options, else gcc, else cc.
def _compiler() -> list[str]:
    cc_words = shlex.split(os.environ.get("CC", ""))
    for command in [cc_words] if cc_words else [["gcc"], ["cc"]]:
        if shutil.which(command[0]):
            return command
    reason = (
        f"$CC names `{cc_words[0]}`, which is not on this machine"
        if cc_words
        else "no C compiler on this machine"
    )
    raise MissingTool(f"{reason}: {_REMEDY}")


def _version(compiler: Sequence[str]) -> str:
    return run([*compiler, "--version"], limit=_COMPILE_LIMIT, remedy=_REMEDY).stdout.partition("\n")[0]


def _compile(compiler: Sequence[str], sources: Mapping[str, Traversable], into: Path) -> bytes:
    for name, source in sources.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_bytes(source.read_bytes())
    units = [name for name in sources if name.endswith(".c") and "/" not in name]
    command = [*compiler, *FLAGS, "-o", "init", *units]
    # All files are in the cache, so a full disk is reported as a full cache.
    env = {"TMPDIR": str(into)}
    result = run(command, limit=_COMPILE_LIMIT, remedy=_REMEDY, env=env, cwd=into)
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if "rror" in line or "cannot" in line]
        reason = errors[0] if errors else "no message"
        (into / "nothing.c").write_text("int main(void) { return 0; }\n")
        nothing = [*compiler, *FLAGS, "-o", "nothing", "nothing.c"]
        if run(nothing, limit=_COMPILE_LIMIT, remedy=_REMEDY, env=env, cwd=into).returncode == 0:
            raise Defect(f"the guest agent does not compile with {_version(compiler)}: {reason}")
        raise MissingTool(f"`{compiler[0]}` cannot build the guest agent ({reason}): {_REMEDY}")
    return (into / "init").read_bytes()


class DriverImage:
    """An image with the driver for one kernel; *build* makes it when the first program needs it."""

    def __init__(self, build: Callable[[], Path]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._image: Path | None = None
        self._refusal: Undecided | None = None

    def path(self) -> Path:
        """The image; if it could not be built, every call raises the same Undecided, with the reason."""
        with self._lock:
            if self._image is None and self._refusal is None:
                try:
                    self._image = self._build()
                except Undecided as error:
                    self._refusal = error
            if self._refusal is not None:
                raise Undecided(str(self._refusal), self._refusal.kind)
            assert self._image is not None
            return self._image
