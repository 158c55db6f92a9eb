"""Possible values: machines, versions, scopes, properties, policies, programs, files.

A value ends in one of :data:`OPEN` if more can follow. Every function here must be quick because it runs each
time Tab is pressed, so each imports only what it needs.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pfnlab.kernel.policies import FOLDERS

#: Last characters of a candidate that is not yet a complete word.
OPEN = (":", ",", "=", "/")

#: The maximum number of directory entries that are read.
_MOST_ENTRIES = 2000


class Candidate(NamedTuple):
    """A candidate: the whole word, and a short description (may be empty)."""

    value: str
    says: str = ""


#: Lists the candidates for the word typed so far; may list others too.
Values = Callable[[str], Iterable[Candidate]]


def words(*choices: str) -> Values:
    """List these words."""
    return lambda typed: map(Candidate, choices)


def either(*kinds: Values) -> Values:
    """List the values of all *kinds*."""
    return lambda typed: (candidate for kind in kinds for candidate in kind(typed))


def nothing(typed: str) -> Iterator[Candidate]:
    """List nothing; for numbers and names chosen by the user."""
    yield from ()


# Kernels and machines.


def series(typed: str) -> Iterator[Candidate]:
    """List every series that has a profile."""
    from pfnlab.kernel.policies.releases import RELEASES, version_key

    yield from (Candidate(name, "series") for name in sorted(RELEASES, key=version_key, reverse=True))


def versions(typed: str) -> Iterator[Candidate]:
    """List every known exact version."""
    from pfnlab.kernel.policies.known_kernels import known_versions

    yield from (Candidate(version, "known version") for version in known_versions())


def offered_series(typed: str) -> Iterator[Candidate]:
    """List every series of the distribution's kernels."""
    from pfnlab.kernel.policies.releases import CONFIRMED

    yield from (Candidate(name, "series") for name in reversed(CONFIRMED))


def built(typed: str) -> Iterator[Candidate]:
    """List every kernel built on this host."""
    from pfnlab.lab.images.cache import cache_root

    if not (cache_root() / "built").is_dir():
        return
    from pfnlab.lab.building.built import built_kernels

    yield from (Candidate(kernel.name, f"built from {kernel.source}") for kernel in built_kernels())


def _point(typed: str) -> Values:
    """List exact versions, but only after a series has been typed, because otherwise there are too many."""
    return versions if typed.count(".") >= 1 else nothing


def kernels(typed: str) -> Iterator[Candidate]:
    """List stock kernels by series or version."""
    yield from either(offered_series, _point(typed))(typed)


def own_kernels(typed: str) -> Iterator[Candidate]:
    """List stock kernels, kernels built on this host, and files."""
    yield from either(kernels, built, paths())(typed)


def models(typed: str) -> Iterator[Candidate]:
    """List models such as ``model:7.2``; after a comma, changes to the model."""
    kind, colon, rest = typed.partition(":")
    if not colon or kind != "model":
        yield Candidate("model:", "the rules of a kernel")
        return
    name, comma, _ = rest.partition(",")
    if comma:
        done = typed[: typed.rindex(",") + 1]
        for change in _changes(typed[len(done) :]):
            yield Candidate(done + change.value, change.says)
        return
    for kernel in either(series, _point(name), built)(name):
        yield Candidate(f"model:{kernel.value}", kernel.says)


def machines(typed: str) -> Iterator[Candidate]:
    """List models and real kernels."""
    yield from models(typed)
    kind, colon, rest = typed.partition(":")
    if not colon:
        yield Candidate("qemu:", "a real kernel")
    elif kind == "qemu":
        for kernel in own_kernels(rest):
            yield Candidate(f"qemu:{kernel.value}", kernel.says)


def _changes(typed: str) -> Iterator[Candidate]:
    """List the candidates after the comma in a model."""
    name, equals, value = typed.partition("=")
    seam, dot, _ = name.partition(".")
    if not equals:
        import dataclasses

        from pfnlab.kernel.mm.profile import Profile
        from pfnlab.kernel.policies.seams import PLACES

        yield from (Candidate(f"{seam}=", f"a {seam} of your own") for seam in FOLDERS)
        # The places of the seam, after its dot.
        for place in PLACES.get(seam, ()) if dot else ():
            yield Candidate(f"{seam}.{place}=", f"a {seam} at this place only")
        yield Candidate("config=", "a kernel's .config")
        yield Candidate("without=", "a commit reverted")
        yield Candidate("with=", "a commit added")
        switches = sorted(field.name for field in dataclasses.fields(Profile) if field.type == "bool")
        yield from (Candidate(f"{switch}=", "on or off") for switch in switches)
        return
    kinds: Values = words("on", "off")
    if seam in FOLDERS:
        kinds = either(lambda _: _of_seam(seam), paths(".py"))
    elif name == "config":
        kinds = paths()
    elif name in ("with", "without"):
        kinds = nothing
    yield from (Candidate(f"{name}={found.value}", found.says) for found in kinds(value))


# Policies.


def _of_seam(seam: str) -> Iterator[Candidate]:
    for module in sorted(
        files("pfnlab.kernel.policies").joinpath(FOLDERS[seam]).iterdir(), key=lambda file: file.name
    ):
        if module.name.endswith(".py") and not module.name.startswith("_"):
            with module.open(encoding="utf-8") as source:
                says = source.readline().strip().strip('"')
            yield Candidate(module.name.removesuffix(".py"), says)
    if seam == "tracker":
        from pfnlab.kernel.policies.seams import VM_PAT_ERAS

        yield from (Candidate(name, says) for name, says in VM_PAT_ERAS.items())


def policies(typed: str) -> Iterator[Candidate]:
    """List the policies of all seams by name, and the profiles."""
    for seam in FOLDERS:
        yield from _of_seam(seam)
    yield from series(typed)


def changes(typed: str) -> Iterator[Candidate]:
    """List changes such as ``flush=end_vma``: a seam and one of its policies."""
    seam, equals, _ = typed.partition("=")
    if seam in FOLDERS and equals:
        yield from (Candidate(f"{seam}={name}", says) for name, says in _of_seam(seam))
    elif not equals:
        yield from (Candidate(f"{name}=", f"a {name} of your own") for name in FOLDERS)


# Claims. Reading their files completely would take too long for a completion.


def _claim_tables() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the number and the file of each discussion."""
    import tomllib

    folder = files("pfnlab.discussions")
    for file in sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml")):
        yield file.removesuffix(".toml"), tomllib.loads(folder.joinpath(file).read_text(encoding="utf-8"))


def discussions(typed: str) -> Iterator[Candidate]:
    """List discussions by number."""
    yield from (Candidate(number, table["title"]) for number, table in _claim_tables())


def claim_numbers(typed: str) -> Iterator[Candidate]:
    """List the numbers of claims, with their texts."""
    for discussion, table in _claim_tables():
        claims = (claim for message in table["message"] for claim in message["claim"])
        yield from (
            Candidate(f"{discussion}.{count}", claim["words"]) for count, claim in enumerate(claims, start=1)
        )


def thread_numbers(typed: str) -> Iterator[Candidate]:
    """List the numbers of threads with their titles, and the numbers of defects with their effects."""
    from pfnlab.discussions.posted_threads import posted_threads

    for one in posted_threads():
        yield Candidate(one.number, one.title)
        yield from (Candidate(defect.number, defect.scenario) for defect in one.defects)


def claim_authors(typed: str) -> Iterator[Candidate]:
    """List the authors of claims."""
    names = {message["who"] for _, table in _claim_tables() for message in table["message"]}
    yield from map(Candidate, sorted(names))


# Bugs.


def bug_names(typed: str) -> Iterator[Candidate]:
    """List the numbers of bugs with their titles, and the bugs' CVEs."""
    from pfnlab.kernel.bugs.known_bugs import all_bugs

    for one in all_bugs():
        yield Candidate(one.number, one.title)
        if one.cve:
            yield Candidate(one.cve, one.title)


# Help.


def helped_words(typed: str) -> Iterator[Candidate]:
    """List the commands, glossary words, bugs and properties."""
    from pfnlab.kernel.functions.rule_texts import glossary
    from pfnlab.verbs.pfnlab import VERBS

    yield from (Candidate(name, "command") for name in VERBS)
    yield from (Candidate(name, says) for name, says in glossary().items() if name.isidentifier())
    yield from bug_names(typed)
    yield from _properties()


# Checks and runs.


def scopes(typed: str) -> Iterator[Candidate]:
    """List scopes by name."""
    from pfnlab.checker.scopes.scope import scope_names

    yield from (Candidate(name, "scope") for name in scope_names())


def swept_scopes(typed: str) -> Iterator[Candidate]:
    """List scopes of sweeps by name."""
    from pfnlab.hunt.sweep.swept_cells import scopes as names

    yield from (Candidate(name, "scope of a sweep") for name in names())


def properties(typed: str) -> Iterator[Candidate]:
    """List properties, and the seams that each stand for several."""
    yield from (Candidate(seam, f"the properties of the {seam}") for seam in FOLDERS)
    yield from _properties()


def _properties() -> Iterator[Candidate]:
    """List the properties of models from the source of their judges, which take too long to import."""
    for source in sorted(files("pfnlab").joinpath("checker/scopes").iterdir(), key=lambda file: file.name):
        if source.name.endswith("_judges.py"):
            names = re.findall(r"^@.*?^def (\w+)", source.read_text(encoding="utf-8"), re.M | re.S)
            yield from (Candidate(name, "property") for name in names)


def fields(typed: str) -> Iterator[Candidate]:
    """List observation fields, separated by commas, each at most once."""
    from pfnlab.programs.runs.compare import FIELDS

    done = typed[: typed.rfind(",") + 1]
    yield from (Candidate(done + field) for field in FIELDS if field not in done.split(","))


def program_names(typed: str) -> Iterator[Candidate]:
    """List the library's programs by name; after a folder and a slash, those in the folder."""
    from pfnlab.programs.lang.library import ALL, library_paths, long_name

    yield Candidate(ALL, "all programs of the library")

    for path in library_paths():
        name = long_name(path) if "/" in typed else path.stem
        yield Candidate(name, f"program of {path.parent.name}")


def paths(*endings: str) -> Values:
    """List folders, and files with one of these extensions (or all files); hidden ones only after a dot."""

    def listed(typed: str) -> Iterator[Candidate]:
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
                yield Candidate(f"{prefix}{entry.name}/")
            elif entry.name.endswith(endings or ("",)):
                yield Candidate(prefix + entry.name)

    return listed


def folders(typed: str) -> Iterator[Candidate]:
    """List folders only."""
    return (candidate for candidate in paths()(typed) if candidate.value.endswith("/"))
