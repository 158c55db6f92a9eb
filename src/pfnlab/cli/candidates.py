"""Possible values: machines, versions, scopes, properties, policies, programs, files.

A value ends in one of :data:`OPEN` if more can follow. Every function here must be quick because it runs each
time Tab is pressed, so each imports only what it needs. Each takes the word typed so far, and may list values
that do not begin with it too.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from pfnlab.kernel.policies import FOLDERS

#: Last characters of a candidate that is not yet a complete word.
OPEN = (":", ",", "=", "/")

#: The maximum number of directory entries that are read.
_MOST_ENTRIES = 2000

#: Lists the candidates for the word typed so far.
Values = Callable[[str], Iterable[str]]


def words(*choices: str) -> Values:
    """List these words; none for numbers and names chosen by the user."""
    return lambda typed: choices


def either(*kinds: Values) -> Values:
    """List the values of all *kinds*."""
    return lambda typed: (value for kind in kinds for value in kind(typed))


def _behind(prefix: str, values: Iterable[str]) -> Iterator[str]:
    return (prefix + value for value in values)


# Kernels and machines.


def series(typed: str) -> Iterable[str]:
    """List every series that has a profile."""
    from pfnlab.kernel.policies.releases import RELEASES, version_key

    return sorted(RELEASES, key=version_key, reverse=True)


def versions(typed: str) -> Iterable[str]:
    """List every known exact version."""
    from pfnlab.kernel.policies.known_kernels import known_versions

    return known_versions()


def built(typed: str) -> Iterable[str]:
    """List every kernel built on this host."""
    from pfnlab.lab.images.cache import cache_root

    if not (cache_root() / "built").is_dir():
        return ()
    from pfnlab.lab.building.built import built_kernels

    return (kernel.name for kernel in built_kernels())


def _point(typed: str) -> Iterable[str]:
    """List exact versions, but only after a series has been typed, because otherwise there are too many."""
    return versions(typed) if "." in typed else ()


def kernels(typed: str) -> Iterable[str]:
    """List stock kernels by series or version."""
    from pfnlab.kernel.policies.releases import CONFIRMED

    return (*reversed(CONFIRMED), *_point(typed))


#: Stock kernels, kernels built on this host, and files.
own_kernels = either(kernels, built, lambda typed: paths()(typed))


def models(typed: str) -> Iterable[str]:
    """List models such as ``model:7.2``; after a comma, changes to the model."""
    kind, _, rest = typed.partition(":")
    if kind != "model" or ":" not in typed:
        return ("model:",)
    if "," in rest:
        done = typed[: typed.rindex(",") + 1]
        return _behind(done, _changes(typed[len(done) :]))
    return _behind("model:", either(series, _point, built)(rest))


def machines(typed: str) -> Iterable[str]:
    """List models and real kernels."""
    kind, _, rest = typed.partition(":")
    return (
        *models(typed),
        *(_behind("qemu:", own_kernels(rest)) if kind == "qemu" and ":" in typed else ("qemu:",)),
    )


def _changes(typed: str) -> Iterable[str]:
    """List the candidates after the comma in a model."""
    name, equals, value = typed.partition("=")
    seam, dot, _ = name.partition(".")
    if not equals:
        import dataclasses

        from pfnlab.kernel.mm.profile import Profile
        from pfnlab.kernel.policies.seams import PLACES

        # The places of the seam, after its dot.
        places = [f"{seam}.{place}" for place in PLACES.get(seam, ()) if dot]
        switches = sorted(field.name for field in dataclasses.fields(Profile) if field.type == "bool")
        return [f"{one}=" for one in (*FOLDERS, *places, "config", "without", "with", *switches)]
    kinds: Values = words("on", "off")
    if seam in FOLDERS:
        kinds = either(lambda _: _of_seam(seam), paths(".py"))
    elif name == "config":
        kinds = paths()
    elif name in ("with", "without"):
        kinds = words()
    return _behind(f"{name}=", kinds(value))


# Policies.


def _of_seam(seam: str) -> Iterator[str]:
    folder = files("pfnlab.kernel.policies").joinpath(FOLDERS[seam])
    names = (file.name for file in folder.iterdir())
    yield from sorted(name[:-3] for name in names if name.endswith(".py") and not name.startswith("_"))
    if seam == "tracker":
        from pfnlab.kernel.policies.seams import VM_PAT_ERAS

        yield from VM_PAT_ERAS


def policies(typed: str) -> Iterable[str]:
    """List the policies of all seams by name, and the profiles."""
    return (*(name for seam in FOLDERS for name in _of_seam(seam)), *series(typed))


def changes(typed: str) -> Iterable[str]:
    """List changes such as ``flush=end_vma``: a seam and one of its policies."""
    seam, equals, _ = typed.partition("=")
    if not equals:
        return (f"{name}=" for name in FOLDERS)
    return _behind(f"{seam}=", _of_seam(seam)) if seam in FOLDERS else ()


# Claims. Reading their files completely would take too long for a completion.


def _claim_tables() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the number and the file of each discussion."""
    import tomllib

    folder = files("pfnlab.discussions")
    for file in sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml")):
        yield file.removesuffix(".toml"), tomllib.loads(folder.joinpath(file).read_text(encoding="utf-8"))


def discussions(typed: str) -> Iterable[str]:
    """List discussions by number."""
    return (number for number, _ in _claim_tables())


def claim_numbers(typed: str) -> Iterable[str]:
    """List the numbers of claims."""
    for number, table in _claim_tables():
        count = sum(len(message["claim"]) for message in table["message"])
        yield from (f"{number}.{claim}" for claim in range(1, count + 1))


def thread_numbers(typed: str) -> Iterable[str]:
    """List the numbers of threads and of their defects."""
    from pfnlab.discussions.posted_threads import posted_threads

    for one in posted_threads():
        yield from (one.number, *(defect.number for defect in one.defects))


def claim_authors(typed: str) -> Iterable[str]:
    """List the authors of claims."""
    return sorted({message["who"] for _, table in _claim_tables() for message in table["message"]})


def bug_names(typed: str) -> Iterable[str]:
    """List the numbers of bugs, and their CVEs."""
    from pfnlab.kernel.bugs.known_bugs import all_bugs

    return (name for one in all_bugs() for name in (one.number, one.cve) if name)


def helped_words(typed: str) -> Iterable[str]:
    """List the commands, glossary words, bugs and properties."""
    from pfnlab.kernel.functions.rule_texts import glossary
    from pfnlab.verbs.pfnlab import VERBS

    return (*VERBS, *filter(str.isidentifier, glossary()), *bug_names(typed), *_properties())


# Checks and runs.


def scopes(typed: str) -> Iterable[str]:
    """List scopes by name."""
    from pfnlab.checker.scopes.scope import scope_names

    return scope_names()


def swept_scopes(typed: str) -> Iterable[str]:
    """List scopes of sweeps by name."""
    from pfnlab.hunt.sweep.swept_cells import scopes as names

    return names()


def properties(typed: str) -> Iterable[str]:
    """List properties, and the seams that each stand for several."""
    return (*FOLDERS, *_properties())


def _properties() -> Iterator[str]:
    """List the properties of models from the source of their judges, which take too long to import."""
    for source in sorted(files("pfnlab").joinpath("checker/scopes").iterdir(), key=lambda file: file.name):
        if source.name.endswith("_judges.py"):
            yield from re.findall(r"^@.*?^def (\w+)", source.read_text(encoding="utf-8"), re.M | re.S)


def fields(typed: str) -> Iterable[str]:
    """List observation fields, separated by commas, each at most once."""
    from pfnlab.programs.runs.compare import FIELDS

    done = typed[: typed.rfind(",") + 1]
    return (done + field for field in FIELDS if field not in done.split(","))


def program_names(typed: str) -> Iterable[str]:
    """List the library's programs by name; after a folder and a slash, those in the folder."""
    from pfnlab.programs.lang.library import ALL, library_paths, long_name

    return (ALL, *(long_name(path) if "/" in typed else path.stem for path in library_paths()))


def paths(*endings: str) -> Values:
    """List folders, and files with one of these extensions (or all files); hidden ones only after a dot."""

    def listed(typed: str) -> Iterator[str]:
        head, _, start = typed.rpartition("/")
        folder = Path(f"{head}/" if typed.startswith("/") or head else ".").expanduser()
        prefix = typed[: len(typed) - len(start)]
        entries = islice(folder.iterdir(), _MOST_ENTRIES) if folder.is_dir() else ()
        for entry in sorted(entries):
            # A name with a control character would break its line.
            shown = entry.name.isprintable() and (start or not entry.name.startswith("."))
            if not shown or not entry.name.startswith(start):
                continue
            if entry.is_dir():
                yield f"{prefix}{entry.name}/"
            elif entry.name.endswith(endings or ("",)):
                yield prefix + entry.name

    return listed


def folders(typed: str) -> Iterable[str]:
    """List folders only."""
    return (path for path in paths()(typed) if path.endswith("/"))
