"""The verbs and their options. What a verb does is imported when it runs, so that help is quick."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from typing import Annotated, Any

import typer

from pfnlab.cli.bugs_app import bugs
from pfnlab.cli.cache_app import cache
from pfnlab.cli.campaign_app import campaign
from pfnlab.cli.claims_app import claims
from pfnlab.cli.direct import print_version
from pfnlab.cli.kernels_app import kernels
from pfnlab.cli.litmus_app import litmus, new
from pfnlab.cli.plain import DECLARED, PLAIN, Verbs
from pfnlab.cli.policies_app import policies
from pfnlab.cli.verb_modules import module_of, verb_modules, verb_of

#: The framework's exception for a wrong option or argument, in any of its versions.
UsageError: Any = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")

app = Verbs(no_args_is_help=True, **PLAIN)
app.command("new")(new)
app.verb("try")


def _version(show: bool) -> None:
    if show:
        print_version()
        raise typer.Exit()


@app.callback()
def pfnlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The rules of Linux PFN mappings as a program: run them, and compare them with real kernels.

    Exit codes: 0 as expected, 1 a discovery (machines differ, an expectation fails, a kernel crashes),
    2 misuse, 3 undecided (no rule, a missing tool, a lost guest), 4 a defect of pfnlab.

    LEAKED: still reserved although no process and no driver has it. Other words are in docs/glossary.md.
    """


app.verb("run")
app.verb("fmt")
app.verb("fuzz")
app.verb("sweep")
app.verb("check")
app.verb("bisect")
app.verb("explore")
app.verb("replay")
app.verb("draw")
app.verb("export")
app.verb("import")
app.verb("report")
app.verb("matrix")


@app.command()
def schema(
    verb: Annotated[list[str], typer.Argument(metavar="VERB...", help="For instance run, or kernels meet.")],
) -> int:
    """Print the JSON Schema of what a verb prints with --json."""
    from pfnlab.schema_files import schema_text

    print(schema_text(" ".join(verb)), end="")
    return 0


app.verb("results")


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print what makes a shell complete machines, versions, scopes, properties, policies and programs."""
    from pfnlab.cli.completing import script

    print(script(shell), end="")
    return 0


#: The groups of verbs, by name: those of :data:`pfnlab.cli.verb_modules.GROUPS`.
_GROUPS = {
    "kernels": kernels,
    "cache": cache,
    "policies": policies,
    "litmus": litmus,
    "bugs": bugs,
    "claims": claims,
    "campaign": campaign,
}


def _declare_others() -> None:
    """Declare the verbs of :mod:`pfnlab.verbs` that have no place of their own above."""
    for module in sorted({*verb_modules()} - {module_of(verb) for verb in DECLARED}):
        verb = verb_of(module)
        group, _, rest = verb.partition(" ")
        (_GROUPS[group] if rest else app).verb(verb)


_declare_others()
for name, group in _GROUPS.items():
    app.group(name, group)
