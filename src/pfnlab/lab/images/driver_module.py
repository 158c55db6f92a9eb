"""The test driver for one kernel: ``guest/driver``, built against that kernel's own headers.

Headers come from the kernel's suite and are unpacked, never installed, under ``<cache>/headers/<package
version>``; modules are stored as ``<cache>/drivers/<release>-<key>.ko``. Both go through
`pfnlab.lab.images.cache.kept`. Packages from newer Debian releases may expect a newer compiler and C library
than this machine has. So the compiler is called through a script that translates options unknown to older
compilers, and tools that do not start are run with libraries unpacked next to them.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.lab.images.archive import Archive, Package, PackageOffer, opened_archive
from pfnlab.lab.images.cache import cache_root, is_whole, kept, quiet
from pfnlab.lab.images.deb import unpack
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage, suites_of
from pfnlab.lab.images.tools import run

#: The file in a guest's top folder that the agent loads.
MODULE = "pfnlab.ko"

_REMEDY = "apt-get install --no-install-recommends make gcc libc6-dev binutils"
_START_LIMIT = 10.0
_BUILD_LIMIT = 180.0

# Compiler options used by kernels up to 7.3 that gcc 12 does not know; newer compilers know them all.
_COMPILER = """\
#!/bin/sh
for option do
	shift
	case $option in
	-fmin-function-alignment=*) option=-falign-functions=${option#*=} ;;
	-std=gnu23) option=-std=gnu2x ;;
	-fdiagnostics-show-context* | -fzero-init-padding-bits=* | -mindirect-branch-cs-prefix-x | \\
		-fms-anonymous-structs) continue ;;
	esac
	set -- "$@" "$option"
done
exec gcc "$@"
"""

#: Programs from the kernel's build that run on the build machine, below ``usr/lib/linux-kbuild-*``.
_TOOLS = (
    "scripts/basic/fixdep",
    "scripts/genksyms/genksyms",
    "scripts/mod/modpost",
    "scripts/mod/modpost.real-lsb-64",
    "tools/objtool/objtool",
    "tools/objtool/objtool.real-x86",
)

# The packages that headers depend on, and whether each must have the same version.
_NEEDS = re.compile(r"(linux-headers-\S+-common|linux-kbuild-[^\s,]+)(?: \((=)?)?")

# Libraries from the newest suite can run the tools of every suite.
_LIBRARY_SUITE = "sid"
_LIBRARIES = ("libc6", "libelf1t64", "libzstd1", "zlib1g")
_LIBRARY_FOLDER = Path("libraries/usr/lib/x86_64-linux-gnu")

_WITH_LIBRARIES = """\
#!/bin/sh
exec "$PFNLAB_LIBRARIES/ld-linux-x86-64.so.2" --library-path "$PFNLAB_LIBRARIES" "$0.unwrapped" "$@"
"""

# Debug information would make up most of the module, and this machine's folder names must not appear in it.
_FLAGS = "-g0 -Wno-attributes -fmacro-prefix-map={kit}= -fmacro-prefix-map={work}/="

_DOES_NOT_START = re.compile(r"GLIBC_|shared librar|no version information")
_TROUBLE = re.compile(r"\berror\b|undefined|not found|\*\*\*", re.IGNORECASE)


def driver_for(kernel: KernelImage, *, say: Callable[[str], None] = quiet) -> Path:
    """The test driver module for *kernel*, built on the first call and cached afterwards.

    :raises MissingTool: if there are no headers for exactly this kernel, or no compiler
    :raises Unverified: if a signature or checksum in the archive is wrong
    :raises Undecided: if the archive cannot be reached, or the driver does not build
    """
    return _kept(kernel, lambda: _kit_of_archive(kernel, say), say)


def driver_in_tree(kernel: KernelImage, out: Path, *, say: Callable[[str], None] = quiet) -> Path:
    """The test driver module, built in *out*, the object folder of *kernel*; errors as in `driver_for`."""
    return _kept(kernel, lambda: _Kit(out, out, None), say)


def has_driver(kernel: KernelImage) -> bool:
    """True if the cache has the test driver for *kernel*, built from the current sources."""
    return is_whole(_module(kernel))


class _Kit(NamedTuple):
    # The environment for building a module: the folder in which make is called, the folder whose name is kept
    # out of messages and out of the module, and the libraries that the tools need.
    headers: Path
    folder: Path
    libraries: Path | None


def _module(kernel: KernelImage) -> Path:
    key = hashlib.sha256(repr((kernel.release, kernel.version, _COMPILER, _FLAGS)).encode())
    for source in _sources():
        key.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return cache_root() / "drivers" / f"{kernel.release}-{key.hexdigest()[:16]}.ko"


def _kept(kernel: KernelImage, kit: Callable[[], _Kit], say: Callable[[str], None]) -> Path:
    module = _module(kernel)
    if not is_whole(module):
        _check_tools(cache_root())

    def make(part: Path) -> None:
        tools = kit()
        say(f"building the guest driver for {kernel.release} (some seconds)")
        _build(kernel, _sources(), tools, part)

    return kept(module, make, say=say)


def _check_tools(root: Path) -> None:
    # Checked before anything is fetched.
    if re.search(r"\s", str(root)):
        raise Misuse(
            f"the cache directory {str(root)!r} has a space in it, which make cannot use: set PFNLAB_CACHE"
        )
    if shutil.which("gcc") is None:
        raise MissingTool(f"`gcc` is not on this machine: {_REMEDY}")


def image_with_driver(kernel: KernelImage, *, say: Callable[[str], None] = quiet) -> Path:
    """The initramfs for *kernel*'s guests, with its driver; errors as in `driver_for` and `guest_image`."""
    return guest_image({MODULE: driver_for(kernel, say=say)}, say=say)


def _sources() -> list[Traversable]:
    folder = resources.files("pfnlab.lab") / "guest" / "driver"
    files = (file for file in folder.iterdir() if file.name == "Kbuild" or file.name.endswith((".c", ".h")))
    return sorted(files, key=lambda file: file.name)


def modules_for(
    kernel: KernelImage,
    files: Mapping[str, str],
    folder: Path,
    *,
    limit: float = _BUILD_LIMIT,
    say: Callable[[str], None] = quiet,
) -> dict[str, bytes]:
    """Build other modules for *kernel* with the headers of the test driver, without warnings.

    :param files: the contents of the sources and of a ``Kbuild`` or ``Makefile``, by file name
    :param folder: an empty folder to build in
    :param limit: time limit in seconds
    :return: each module by name, without the suffix
    :raises MissingTool: if there are no headers for exactly this kernel, or no compiler
    :raises Undecided: if the archive cannot be reached, or a module does not build without warnings
    """
    _check_tools(folder)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    said = _make(kernel, folder, _kit_of_archive(kernel, say), "a module", f"{_FLAGS} -Werror", limit)
    warning = next((line for line in said if line.startswith("WARNING")), None)
    if warning is not None:
        raise Undecided(f"a module for {kernel.release} builds with a warning: {warning}")
    return {module.stem: module.read_bytes() for module in folder.glob("*.ko")}


def _build(kernel: KernelImage, sources: list[Traversable], kit: _Kit, module: Path) -> None:
    work = module.with_name("build")
    work.mkdir()
    for source in sources:
        (work / source.name).write_bytes(source.read_bytes())
    _make(kernel, work, kit, "the driver", _FLAGS, _BUILD_LIMIT)
    (built,) = work.glob("*.ko")
    built.replace(module)


def _make(kernel: KernelImage, work: Path, kit: _Kit, what: str, flags: str, limit: float) -> list[str]:
    """Build the modules in a folder; return the output lines from make and the compiler."""
    _write_script(work / "compiler", _COMPILER)
    flags = flags.format(kit=kit.folder, work=work)
    command = [
        *("make", "-s", "-j2", "-C", str(kit.headers), f"M={work}", f"CC={work / 'compiler'}"),
        *("CONFIG_DEBUG_INFO_BTF_MODULES=", f"KCFLAGS={flags}", "modules"),
    ]
    # The caller may itself be running under make, whose flags must not apply here. All files are in the
    # cache, so a full disk is reported as a full cache.
    env = {
        **{"MAKEFLAGS": "", "MAKELEVEL": "", "TMPDIR": str(work)},
        **({"PFNLAB_LIBRARIES": str(kit.libraries)} if kit.libraries else {}),
    }
    answer = run(command, limit=limit, remedy=_REMEDY, env=env, cwd=work)
    lines = [line.strip() for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
    if answer.returncode or not any(work.glob("*.ko")):
        reason = next(filter(_TROUBLE.search, lines), lines[-1] if lines else "no message")
        reason = reason.replace(f"{work}/", "").replace(f"{kit.folder}/", "")
        raise Undecided(f"{what} cannot be built for {kernel.release}: {reason}")
    return lines


def _headers(kit: Path, kernel: KernelImage) -> Path:
    return kit / "usr" / "src" / f"linux-headers-{kernel.release}"


def _write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


# Headers, the kernel's build tools and their libraries, in one folder.
def _kit_of_archive(kernel: KernelImage, say: Callable[[str], None]) -> _Kit:
    def make(part: Path) -> None:
        suites = suites_of(kernel)
        if not suites:
            reason = f"no headers for {kernel.release}: it is not a kernel of the archive"
            again = "; kernels built here get their driver when built: run `pfnlab kernels build` again"
            raise MissingTool(reason + again * bool(kernel.series))
        part.mkdir()
        with opened_archive(say) as archive:
            entries = _header_packages(archive, kernel, suites, say)
            say(f"fetching headers of {kernel.version} ({cost(entries)})")
            for entry in entries:
                _unpack(archive, entry.package, part)
            _relocate(_headers(part, kernel) / "Makefile")
            _make_tools_run(archive, part, say)

    folder = kept(cache_root() / "headers" / (kernel.version or "none"), make, say=say)
    return _Kit(_headers(folder, kernel), folder, folder / _LIBRARY_FOLDER)


def cost(packages: Iterable[PackageOffer]) -> str:
    """A text with the download and disk sizes of *packages*."""
    packages = list(packages)
    size = sum(entry.package.size for entry in packages)
    unpacked = sum(entry.unpacked for entry in packages)
    return f"about {-(-size >> 20)} MiB, {-(-unpacked >> 10)} MiB on disk"


def _header_packages(
    archive: Archive, kernel: KernelImage, suites: list[str], say: Callable[[str], None]
) -> list[PackageOffer]:
    name = f"linux-headers-{kernel.release}"
    header = archive.find(suites, name, kernel.version, say=say)
    if header is None:
        raise MissingTool(
            f"no headers for {kernel.release}: the archive has no {name} {kernel.version} "
            f"(suites searched: {', '.join(suites)}); programs without the driver still run"
        )
    entries = [header]
    for package, exact in _NEEDS.findall(header.depends):
        suite = [header.package.suite]
        entry = archive.find(suite, package, kernel.version, say=say)
        if entry is None and not exact:
            # The headers of an older ABI are kept while the tools are replaced by those of the next revision.
            entry = archive.find(suite, package, say=say)
        # A suite may keep a kernel's headers longer than the packages they depend on.
        if entry is None:
            reason = f"the archive no longer has {package} {kernel.version}"
            raise MissingTool(f"no headers for {kernel.release}: {reason}")
        entries.append(entry)
    return entries


def _unpack(archive: Archive, package: Package, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=into.parent) as name:
        unpack(archive.download(package, Path(name)), into)


def _relocate(makefile: Path) -> None:
    # Packages expect files in /usr/src; here those are next to this file.
    folder = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
    makefile.write_text(makefile.read_text().replace("/usr/src/", folder))


def _make_tools_run(archive: Archive, kit: Path, say: Callable[[str], None]) -> None:
    broken_tools = [tool for tool in _tools(kit) if not _starts(tool)]
    if not broken_tools:
        return
    entries = []
    for name in _LIBRARIES:
        entry = archive.find([_LIBRARY_SUITE], name, say=say)
        if entry is None:
            raise MissingTool(f"the tools of this kernel need {name}, which {_LIBRARY_SUITE} does not have")
        entries.append(entry)
    say(f"fetching libraries the tools of this kernel need ({cost(entries)})")
    (kit / "libraries").mkdir(exist_ok=True)
    for entry in entries:
        _unpack(archive, entry.package, kit / "libraries")
    for tool in broken_tools:
        tool.rename(tool.with_name(f"{tool.name}.unwrapped"))
        _write_script(tool, _WITH_LIBRARIES)


def _tools(kit: Path) -> Iterator[Path]:
    for folder in (kit / "usr" / "lib").glob("linux-kbuild-*"):
        yield from (folder / tool for tool in _TOOLS if (folder / tool).is_file())


def _starts(tool: Path) -> bool:
    # Without arguments the tools just print their usage; only loader errors count.
    answer = run([str(tool)], limit=_START_LIMIT, remedy="it belongs to the kernel's build", cwd=tool.parent)
    return not _DOES_NOT_START.search(answer.stderr)
