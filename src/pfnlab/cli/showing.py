"""Print the results of verbs, or write them to a file.

A result is printed as JSON if the request asks for that, otherwise as the blocks of its document, or in a
form defined here for its verb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pfnlab.base.progress import waited
from pfnlab.base.result import PlainText

if TYPE_CHECKING:
    from pfnlab.present.document.blocks import Block


def show(verb: str, request: Any, results: Iterator[Any]) -> None:
    """Print *results* as they arrive, or write them to a file."""
    what = f"pfnlab {verb}"
    if verb == "run":
        from pfnlab.cli.run_output import show_runs

        show_runs(request, waited(what, results))
        return
    from pfnlab.base.files import write_output

    append = verb in ("kernels meet", "kernels diff")
    texts = (_text(verb, request, result, apart=at > 0) for at, result in enumerate(results))
    # A server never ends, so do not wait for that.
    for text in filter(None, texts if verb in ("explore", "mcp") else waited(what, texts)):
        write_output(getattr(request, "output", None), text, append=append)


def _text(verb: str, request: Any, result: Any, *, apart: bool = False) -> str:
    """Return a result as JSON or in its verb's text form, with a final newline.

    :param apart: put an empty line before a part that follows another
    """
    if isinstance(result, PlainText):
        return result.text
    if getattr(request, "as_json", False):
        return f"{result.as_json()}\n"
    match verb:
        case "fmt":
            form = request.form or "text"
            return f"{result.as_json(indent=2)}\n" if form == "json" else result.as_lines(form)
        case "kernels diff" if request.model and request.output is None:
            pass
        case "try" | "kernels meet" | "kernels diff":
            # As `pfnlab report` writes it for a mail.
            from pfnlab.present.document.compose import document_of
            from pfnlab.present.document.mail import mail
            from pfnlab.present.document.part import part_of

            return mail(document_of([part_of(result)]))
        case "discussions show" if request.mail:
            from pfnlab.present.document.claims_part import claim_mail

            return f"{chr(10) * apart}{claim_mail(result)}"
    from pfnlab.base.terminal_text import PROSE, terminal_width
    from pfnlab.present.document.terminal import text_of

    width = terminal_width(PROSE) if verb == "explain" else None
    text = text_of(_blocks(verb, request, result), width).removesuffix("\n")
    return f"{chr(10) * apart}{text}\n"


def _blocks(verb: str, request: Any, result: Any) -> Iterable[Block]:
    match verb:
        case "explain":
            from pfnlab.present.document.explanation_part import screen

            return screen(result, full=request.full)
        case "campaign results":
            from pfnlab.present.document.results_part import listing_part

            return listing_part(result, full=request.full).shown
        case "campaign run" | "campaign resume" | "campaign status":
            from pfnlab.present.document.results_part import status_part

            return status_part(result.campaigns if verb == "campaign status" else [result]).shown
    if hasattr(result, "blocks"):
        blocks: Iterable[Block] = result.blocks()
        return blocks
    from pfnlab.present.document.lists import BLOCKS

    if type(result).__name__ in BLOCKS:
        return BLOCKS[type(result).__name__](result)
    from pfnlab.present.document.part import part_of

    return part_of(result).shown
