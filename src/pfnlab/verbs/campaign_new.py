"""Write a file of a campaign to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

EXAMPLES = (
    ("pfnlab campaign new nightly.toml", "A file to begin with, with every kind of work"),
    ("pfnlab campaign new --schema", "The JSON Schema of such files, for an editor"),
)


class NewCampaignRequest(Request, frozen=True, kw_only=True):
    file: Annotated[
        Path | None, Option("The new file; it must not exist.", "CAMPAIGN.toml", positional=True)
    ] = None
    schema: Annotated[bool, Option("Print the JSON Schema of such files instead.")] = False


def perform(request: NewCampaignRequest, say: Say) -> Iterator[PlainText]:
    """Write the file, or give the schema; Misuse if no file is named, or it is there already."""
    from os.path import lexists

    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.inert import shell_path, visible_name
    from pfnlab.base.schema_files import campaign_file_text
    from pfnlab.campaign.new_file import new_text

    file = request.file
    if request.schema and file is not None:
        raise Misuse("--schema prints the schema of all such files: leave the file's name out")
    if request.schema:
        yield PlainText(campaign_file_text())
        return
    if file is None:
        raise Misuse("say which file: pfnlab campaign new nightly.toml")
    if lexists(file):
        raise Misuse(f"{file} exists: name a new file")
    with writing(file, "name another file"):
        write_whole(file, new_text(file), new=True)
    say(f"{visible_name(file)} written; then: pfnlab campaign check {shell_path(file)}")
