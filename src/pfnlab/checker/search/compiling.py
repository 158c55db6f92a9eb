"""Modules that run faster when compiled: the same source, with C types in a ``.pxd`` file beside it.

Cython and the C compiler that Python was built with compile a module once, and the result is stored. Where
either is missing, the source runs as plain Python: same answers, more time.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from pathlib import Path as File
from types import ModuleType

from pfnlab.checker.search.scratch import scratch
from pfnlab.errors import Defect, MissingTool
from pfnlab.extras import need_packages

# Annotations are for readers and mypy, where `int` has no size; the C types are those of the .pxd file.
_DIRECTIVES = ("boundscheck=False", "wraparound=False", "cdivision=True", "annotation_typing=False")
_OPTIONS = ("-O2", "-shared", "-fPIC", "-w")
_SECONDS = 300


#: Gives the context in which a module is run.
Inside = Callable[[], AbstractContextManager[None]]


def compiled(source: File, cache: File, inside: Inside = nullcontext) -> ModuleType:
    """The module *source*, compiled.

    :param source: a ``.py`` file with a ``.pxd`` of the same name beside it; it imports nothing relative
    :param cache: the folder for compiled modules; made if it is missing
    :param inside: gives the context in which the module is run
    :raises MissingTool: no Cython, no C compiler, or no headers of Python
    :raises Defect: it does not compile
    """
    texts = [file.read_bytes() for file in (source, source.with_suffix(".pxd"))]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    mark = blake2b(b"\0".join([*texts, repr((_DIRECTIVES, _OPTIONS, suffix)).encode()]), digest_size=10)
    library = cache / f"{source.stem}-{mark.hexdigest()}" / f"{source.stem}{suffix}"
    if not library.exists():
        _build(source, library)
    return _loaded(source.stem, library, inside)


def fastest(
    source: File, cache: File | None, say: Callable[[str], None], inside: Inside = nullcontext
) -> ModuleType:
    """The module *source*, compiled where that can be done.

    :param cache: see :func:`compiled`, as for *inside*; None: do not compile
    :param say: called with one line about the missing tool when *source* cannot be compiled
    """
    if cache is not None:
        try:
            return compiled(source, cache, inside)
        except MissingTool as missing:
            say(f"{source.stem} runs as plain Python, slower: {missing}")
    return _loaded(source.stem, source, inside)


def _build(source: File, library: File) -> None:
    """Translate, compile, and put the result in its place in one move."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    headers = sysconfig.get_paths()["include"]
    need_packages("fast", "a compiled search", "Cython")
    if shutil.which(compiler[0]) is None:
        compiler = ["cc"]
        if shutil.which("cc") is None:
            raise MissingTool("no C compiler: apt-get install gcc")
    if not (File(headers) / "Python.h").exists():
        raise MissingTool("no headers of Python: apt-get install python3-dev")
    library.parent.mkdir(parents=True, exist_ok=True)
    with scratch("compiling-", library.parent) as place:
        for file in (source, source.with_suffix(".pxd")):
            # In a folder of its own, so that it is not a module of the package.
            (place / file.name).write_bytes(file.read_bytes())
        directives = [word for directive in _DIRECTIVES for word in ("-X", directive)]
        _run([sys.executable, "-m", "cython", "-3", *directives, source.name], place)
        c, out = place / f"{source.stem}.c", place / library.name
        _run([*compiler, *_OPTIONS, f"-I{headers}", c.name, "-o", out.name], place)
        os.replace(out, library)


def _run(command: list[str], folder: File) -> None:
    process = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
    )
    if process.returncode:
        raise Defect(f"{shlex.join(command)} failed:\n{process.stderr.strip()}")


def _loaded(name: str, file: File, inside: Inside) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise Defect(f"{file} is no module")
    module = importlib.util.module_from_spec(spec)
    with inside():
        spec.loader.exec_module(module)
    return module
