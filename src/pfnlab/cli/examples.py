"""The examples of every verb: help, man pages and the reference take them from here.

Those of a verb of :mod:`pfnlab.verbs` are in its module.

Each is a command line as one types it in the repository, and a sentence of what it shows.
"""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.cli.verb_modules import loaded, module_of, verb_modules


class Example(NamedTuple):
    """One example of a verb.

    :param line: the whole command, as one types it
    :param says: what it does, a sentence without its full stop
    """

    line: str
    says: str


#: The examples of other verbs, by name, as ``kernels build``; of pfnlab itself under ``""``.
EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        Example("pfnlab run munmap-middle", "What a program leaves reserved, by the newest model"),
        Example("pfnlab check --on model:7.2 --scope small", "Whether any sequence of operations leaks"),
        Example("pfnlab policies", "The competing ideas the model can run"),
    ),
    "campaign": (
        Example("pfnlab campaign new nightly.toml", "A file to begin with"),
        Example("pfnlab campaign run nightly.toml --store nightly.db", "All of it, on all processors"),
    ),
    "campaign new": (
        Example("pfnlab campaign new nightly.toml", "A file to begin with, with every kind of work"),
        Example("pfnlab campaign new --schema", "The JSON Schema of such files, for an editor"),
    ),
    "campaign check": (
        Example("pfnlab campaign check examples/campaign.toml", "What a file would do, in how many shards"),
        Example("pfnlab campaign check nightly.toml", "A line for each mistake, with what to write instead"),
    ),
    "campaign stop": (
        Example("pfnlab campaign stop --store nightly.db", "The process that runs it ends within seconds"),
        Example(
            "pfnlab campaign stop nightly --store postgresql://lab@db/pfnlab", "The same from another host"
        ),
    ),
    "kernels": (
        Example("pfnlab kernels", "Every kernel that is known, cached or on offer"),
        Example("pfnlab kernels fetch 7.2", "One of them into the cache"),
    ),
    "cache": (
        Example("pfnlab cache", "What is kept on disk, and how large it is"),
        Example("pfnlab cache clean", "Remove what was not used for a month"),
    ),
    "cache clean": (
        Example("pfnlab cache clean", "Remove what was not used for a month"),
        Example("pfnlab cache clean --older 7", "What was not used for a week"),
    ),
    "litmus": (
        Example("pfnlab litmus", "Every program that comes with pfnlab, with its question"),
        Example("pfnlab litmus show munmap-middle", "The text of one"),
    ),
    "litmus show": (
        Example("pfnlab litmus show munmap-middle", "The text of a program"),
        Example("pfnlab litmus show 'munmap-*'", "Those of several"),
    ),
    "litmus copy": (
        Example("pfnlab litmus copy munmap-middle", "A file of one's own to change, here"),
        Example("pfnlab litmus copy fork --to mine", "All programs about fork, into a folder"),
    ),
    "new": (
        Example("pfnlab new", "Print a program to begin with, with comments"),
        Example("pfnlab new mine.pfn", "Write it to a file"),
    ),
    "completion": (
        Example("source <(pfnlab completion bash)", "Completion in this bash; in ~/.bashrc, in every one"),
        Example(
            "pfnlab completion fish > ~/.config/fish/completions/pfnlab.fish", "Completion in every fish"
        ),
    ),
    "claims": (
        Example("pfnlab claims", "Every claim with its author and its status"),
        Example("pfnlab claims show 004.22 --mail", "One of them asked again, as text for a reply"),
    ),
    "bugs": (
        Example("pfnlab bugs", "Every bug with its kind, its title and its dates"),
        Example("pfnlab bugs affects 6.1.20", "Those that a kernel has, with what mends them"),
    ),
    "policies": (
        Example("pfnlab policies", "Every policy by seam, and the kernel profiles"),
        Example("pfnlab policies show vm_pat", "The source of one"),
    ),
    "policies list": (
        Example("pfnlab policies list", "Every policy by seam, and the kernel profiles"),
        Example("pfnlab run docs/own-policy/middle.pfn --on model:7.2,tracker=vm_pat", "Run one of them"),
    ),
    "policies show": (
        Example("pfnlab policies show track_ctx", "The source of a policy"),
        Example("pfnlab policies show 6.12", "The switches of a kernel profile"),
    ),
    "schema": (
        Example("pfnlab schema run", "The form of what run prints with --json"),
        Example("pfnlab schema kernels meet > meet.schema.json", "The same of a verb of a group, in a file"),
    ),
}


def examples_of(verb: str) -> tuple[Example, ...]:
    """The examples of *verb*, ``kernels build``; none where it is unknown."""
    if verb in EXAMPLES or module_of(verb) not in verb_modules():
        return EXAMPLES.get(verb, ())
    return tuple(Example(*example) for example in loaded(verb).EXAMPLES)
