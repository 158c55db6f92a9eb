"""Build a kernel from source, patches and a configuration, boot it once, and store it under a name."""

import dataclasses
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from pfnlab.base.errors import LostGuest, MissingTool, Undecided
from pfnlab.base.part_times import PartTimes
from pfnlab.base.units import in_mib
from pfnlab.lab.building import fragments
from pfnlab.lab.building.built import PAT_INFO, BuiltKernel, check_name, keep_built, with_content
from pfnlab.lab.building.inlined import uncalled
from pfnlab.lab.building.make import STEPS, Make, check_tools, compiler, forecast
from pfnlab.lab.building.patch_file import PatchFile, read_patch, read_revert, word_of_revert
from pfnlab.lab.building.source import KernelSource, check_source, series_in, source_for
from pfnlab.lab.building.worktree import worktree
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.cache import cache_root, sha256_of, usable, write_cached
from pfnlab.lab.images.driver_module import driver_in_tree, has_driver
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.images.modules import modules_in_tree
from pfnlab.lab.vm.probes import probed

#: Bytes that must be free before a first build, besides the source: the objects of 7.3.4 take 2.1 GiB. Later
#: builds of the same tree need almost none.
_ROOM = 3 << 30

_IMAGE = Path("arch/x86/boot/bzImage")


def boots_in_lab(kernel: KernelImage) -> None:
    """Boot *kernel* once, with the agent; if it does not come up, raise Undecided with its last output."""
    from pfnlab.lab.vm.qemu import Guest

    try:
        Guest(kernel.vmlinuz, fresh=True).close()
    except LostGuest as reason:
        raise Undecided(f"the kernel was built but does not come up in the lab: {reason}") from None


def build(
    source: str,
    patches: Sequence[Path] = (),
    configuration: Sequence[str] = (),
    *,
    reverts: Sequence[str] = (),
    name: str | None = None,
    jobs: int | None = None,
    series: str | None = None,
    say: Callable[[str], None],
    boot: Callable[[KernelImage], None] = boots_in_lab,
    parts: PartTimes | None = None,
) -> BuiltKernel:
    """Build a kernel and boot it once in the lab; reuse the cached build if the inputs are identical.

    The guest driver and the vfio-pci modules are built from the same tree.

    :param source: the folder of a source tree, or a series in the archive
    :param patches: patch files, in order of application
    :param configuration: packaged configurations, or files (:mod:`pfnlab.lab.building.fragments`)
    :param reverts: commits to remove, or patches to apply in reverse, once the patches are applied
    :param name: the name of the result; derived from the other arguments if None
    :param jobs: the number of parallel commands; one per core if None
    :param series: the series whose model applies; taken from the Makefile if None
    :param boot: boots the kernel once and raises Undecided if it does not come up; replaced in tests
    :param parts: gets the times to ``unpack`` the source and patch it, ``configure``, ``build`` and ``boot``
    :raises Misuse: if there is no such tree, patch or configuration
    :raises MissingTool: if a program that the build needs is not installed, or the tree lacks a feature that
        the lab needs
    :raises TimedOut: if the build does not finish in time
    :raises Undecided: if a patch does not apply, the tree does not build, or the kernel does not come up in
        the lab
    """
    of_series = series_in(source)
    fragment = fragments.fragment_text(configuration)
    read_patches = [read_patch(path) for path in patches]
    read_patches += [read_revert(word, of_series) for word in reverts]
    name = check_name(name or _name(source, patches, reverts, configuration))
    check_tools()
    parts = parts or PartTimes()
    with parts.part("unpack"):
        tree_source = source_for(source, say=say)
    kernel = BuiltKernel(
        name=name,
        version=tree_source.version,
        series=series or tree_source.series,
        release="",
        source=tree_source.label,
        patches=tuple(patch.path.name + " in reverse" * patch.reverse for patch in read_patches),
        policy=",".join(patch.policy for patch in read_patches if patch.policy),
        configuration=fragments.configuration_name(configuration),
        lacks=(),
        content=_content(tree_source, read_patches, fragment),
        sha256="",
        seconds=0.0,
    )
    before = with_content(kernel.content)
    if before is not None and has_driver(before.image) and sha256_of(before.image.vmlinuz) == before.sha256:
        say(f"{name}: exactly this was built before")
        again = msgspec.structs.replace(before, name=name, series=kernel.series)
        return again if again == before else keep_built(again, before.image.vmlinuz, before.config)
    with ExitStack() as stack:
        with parts.part("unpack"):
            tree = stack.enter_context(worktree(tree_source, say=say))
            tree.apply(read_patches)
        make = Make(tree.folder, tree.out(kernel.configuration), jobs or os.cpu_count() or 1)
        wanted = fragment, fragments.requested_options(configuration)
        return _build(kernel, make, wanted, say, boot, parts)


def check_patches(
    source: str, patches: Sequence[Path], configuration: Sequence[str], *, say: Callable[[str], None]
) -> None:
    """Check the arguments of a build, apply *patches* to *source*, and build nothing.

    :raises Misuse: if there is no such tree, patch or configuration, or a patch reaches outside the tree
    :raises MissingTool: if a program that a build needs is not installed
    :raises Undecided: if a patch does not apply
    """
    check_source(source)
    fragments.fragment_text(configuration)
    read_patches = [read_patch(path) for path in patches]
    check_tools()
    with worktree(source_for(source, say=say), say=say) as tree:
        tree.apply(read_patches)


def _build(
    kernel: BuiltKernel,
    make: Make,
    wanted: tuple[str, set[str]],
    say: Callable[[str], None],
    boot: Callable[[KernelImage], None],
    parts: PartTimes,
) -> BuiltKernel:
    begin = time.monotonic()
    counted = make.out / "pfnlab.steps"
    steps = int(counted.read_text()) if counted.exists() else 0
    if steps:
        say(f"building {kernel.name}: what changed since the last build of this tree")
    else:
        _check_room(make.out.parent)
        whole = forecast(STEPS, make.jobs)
        say(f"building {kernel.name} for the first time: {whole}, and {in_mib(_ROOM)} free for objects")
    with parts.part("configure"), usable():
        lacks = _configure(make, *wanted)
    _check_options(kernel, lacks, say)
    with parts.part("build"):
        done = make.build("bzImage", "modules", steps=steps or STEPS, say=say)
    if not steps:
        write_cached(counted, str(done))
    bzimage = make.out / _IMAGE
    kernel = msgspec.structs.replace(
        kernel,
        release=release_of(bzimage),
        lacks=tuple(lacks),
        sha256=sha256_of(bzimage),
        seconds=round(time.monotonic() - begin, 1),
        uncalled=uncalled(make.out / "vmlinux", {*probed(release_of(bzimage)), PAT_INFO}),
    )
    with parts.part("boot"):
        boot(dataclasses.replace(kernel.image, vmlinuz=bzimage))
    with parts.part("build"):
        for modules in (driver_in_tree, modules_in_tree):
            try:
                modules(kernel.image, make.out, say=say)
            except Undecided as reason:
                say(f"{reason}; programs that need it stay undecided")
    return keep_built(kernel, bzimage, make.out / ".config")


def _check_options(kernel: BuiltKernel, lacks: Sequence[str], say: Callable[[str], None]) -> None:
    missing = [f"CONFIG_{option}" for option in lacks if option in fragments.REQUIRED]
    if missing:
        raise MissingTool(
            f"{kernel.source} has no {', '.join(missing)}, which the lab needs: the kernel was not built"
        )
    if lacks:
        say(f"{kernel.source} does not have {', '.join(lacks)}: programs that need them stay undecided")


def _configure(make: Make, fragment: str, requested: set[str]) -> list[str]:
    config, merged_fragment = make.out / ".config", make.out / "pfnlab.fragment"
    if not merged_fragment.exists() or merged_fragment.read_text() != fragment:
        make.configure("tinyconfig")
        write_cached(config, fragments.merged(config.read_text(), fragment))
    # A patch may add options.
    make.configure("olddefconfig")
    write_cached(merged_fragment, fragment)
    return fragments.lacking(config.read_text(), fragment, requested)


def _content(source: KernelSource, patches: Sequence[PatchFile], fragment: str) -> str:
    content = hashlib.sha256()
    for part in (source.content, fragment, compiler()):
        content.update(part.encode() + b"\0")
    for patch in patches:
        content.update(b"".join(patch.diffs) + b"\0" + b"reverse\0" * patch.reverse)
    return content.hexdigest()


def _name(source: str, patches: Sequence[Path], reverts: Sequence[str], configuration: Sequence[str]) -> str:
    # Made from the names of the tree, the patches and the configuration, with only the characters a name may
    # have.
    words = [Path(source).absolute().name if Path(source).is_dir() else source]
    words += [path.stem for path in patches]
    words += [word_of_revert(word) for word in reverts]
    words += [Path(word).stem for word in configuration]
    if len(words) == 1 and not Path(source).is_dir():
        words.append("own")
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", "-".join(words)).strip("-.") or "own"


def _check_room(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < _ROOM:
        raise Undecided(
            f"a build needs {in_mib(_ROOM)} in {cache_root()}, which has {in_mib(free)} left: free room "
            "(`pfnlab kernels list --cache`), or set PFNLAB_CACHE"
        )
