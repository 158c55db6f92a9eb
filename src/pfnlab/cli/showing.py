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
    match verb:
        case "run":
            from pfnlab.cli.run_output import show_runs

            show_runs(request, waited(what, results))
        case "kernels meet" | "kernels diff":
            from pfnlab.base.files import write_output
            from pfnlab.verbs.kernels_compared import FailedMeeting

            met = (result for result in results if not isinstance(result, FailedMeeting))
            for text in waited(what, (_text(verb, request, result) for result in met)):
                write_output(request.output, text, append=True)
        case _:
            from pfnlab.base.files import write_output

            texts = (_text(verb, request, result, apart=at > 0) for at, result in enumerate(results))
            # A server and a watched machine never end, so do not wait for that.
            is_endless = verb in ("explore", "mcp") or getattr(request, "watch", None) is not None
            for text in texts if is_endless else waited(what, texts):
                write_output(getattr(request, "output", None), text)


def _explanation(request: Any, result: Any) -> str:
    from pfnlab.base.terminal_text import PROSE, terminal_width
    from pfnlab.present.document.terminal import text_of

    blocks: Iterable[Block]
    # A single line has no files: do not import the code that joins them.
    if hasattr(result, "findings"):
        from pfnlab.present.document.joined_part import screen as joined_screen

        blocks = joined_screen(result, full=request.full)
    else:
        from pfnlab.present.document.explanation_part import screen

        blocks = screen(result, full=request.full)
    return text_of(blocks, terminal_width(PROSE))


def _text(verb: str, request: Any, result: Any, *, apart: bool = False) -> str:
    """Return a result as JSON or in its verb's text form, with a final newline.

    :param apart: put an empty line before a part that follows another
    """
    if getattr(request, "as_json", False):
        return f"{result.as_json()}\n"
    if isinstance(result, PlainText):
        return result.text
    match verb:
        case "fmt":
            form = request.form or "text"
            return f"{result.as_json(indent=2)}\n" if form == "json" else result.as_lines(form)
        case "kernels diff" if request.model and request.output is None:
            text = _lines(result, apart)
        case "try" | "kernels meet" | "kernels diff":
            return _page(result)
        case "discussions show" if request.mail:
            from pfnlab.present.document.claims_part import claim_mail

            return f"{chr(10) * apart}{claim_mail(result)}"
        case "explain":
            return _explanation(request, result)
        case "campaign results":
            from pfnlab.present.document.results_part import listing_part
            from pfnlab.present.document.terminal import terminal

            text = terminal(listing_part(result, full=request.full))
        case "campaign run" | "campaign resume" | "campaign status":
            from pfnlab.present.document.results_part import status_part
            from pfnlab.present.document.terminal import terminal

            text = terminal(status_part(result.campaigns if verb == "campaign status" else [result]))
        case _:
            text = _lines(result, apart)
    return f"{text}\n"


def _lines(result: Any, apart: bool) -> str:
    """Return the lines of a result."""
    from pfnlab.present.document.terminal import text_of

    return "\n" * apart + text_of(_blocks(result)).removesuffix("\n")


def _blocks(result: Any) -> Iterable[Block]:
    if hasattr(result, "blocks"):
        blocks: Iterable[Block] = result.blocks()
        return blocks
    from pfnlab.present.document.lists import BLOCKS

    if type(result).__name__ in BLOCKS:
        return BLOCKS[type(result).__name__](result)
    from pfnlab.present.document.part import part_of

    return part_of(result).shown


def _page(result: Any) -> str:
    """Return a result as ``pfnlab report`` writes it for a mail."""
    from pfnlab.present.document.compose import document_of
    from pfnlab.present.document.mail import mail
    from pfnlab.present.document.part import part_of

    return mail(document_of([part_of(result)]))
