"""A kernel function in sentences: what it does, its file, callers, locks, invariants, rules and bugs."""

from collections.abc import Iterator, Mapping

from pfnlab.kernel.bugs.known_bugs import bug
from pfnlab.kernel.functions.known_functions import KernelFunction, Releases
from pfnlab.kernel.functions.rule_texts import find_rule


def releases_of(one: KernelFunction) -> str:
    """The releases that have the function: ``up to 6.15``; empty if all have it."""
    return "" if one.releases == ".." else str(Releases.of(one.releases))


def function_says(one: KernelFunction) -> Iterator[str]:
    """Yield the paragraphs about a function."""
    yield one.does
    yield f"File: {_by_release({span: (file,) for span, file in one.files.items()})}."
    if one.called_by:
        yield f"Callers: {_by_release(one.called_by)}."
    yield f"Locks: {one.locks}"
    yield f"Before: {one.needs}"
    yield f"After: {one.ensures}"
    if one.replaces:
        yield f"Replaces: {one.replaces}."
    if one.replaced_by:
        yield f"Replaced by: {one.replaced_by}."
    yield f"Rules: {', '.join(titled_rule(number) for number in one.rules)}."
    if one.bugs:
        yield f"Bugs: {', '.join(named_bug(number) for number in one.bugs)}."


def titled_rule(number: str) -> str:
    """A section and its title: ``S3.6 untrack_pfn``."""
    return f"{number} {find_rule(number).title}"


def named_bug(number: str) -> str:
    """A bug with its short name and the release that fixed it: ``A06 partial-munmap (fixed in 6.16)``."""
    found = bug(number)
    fixed = found.dated.mended
    return " ".join(filter(None, (number, found.title, f"(fixed in {fixed})" if fixed else "")))


def _by_release(rows: Mapping[Releases, tuple[str, ...]]) -> str:
    """The rows of a table by releases in words, without releases if there is one row."""
    if len(rows) == 1:
        return ", ".join(*rows.values())
    return "; ".join(f"{span}: {', '.join(names)}" for span, names in rows.items())
