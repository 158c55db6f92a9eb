"""A file of a campaign to begin with."""

import re
from pathlib import Path

#: What it says.
EXAMPLE = """\
# A campaign of pfnlab: `pfnlab campaign check FILE` says what it does, `pfnlab campaign run FILE` does it.
form = 1
name = "{name}"
says = "Three series on random programs, and every tracker on the scope small"

[limits]            # of one shard, which is what one process does
seconds = 600       # after which an attempt is ended
tries = 3           # after which the shard is isolated, and the others go on

[budget]            # leave it out to run everything
programs = 2000

[[fuzz]]            # random programs on machines that are compared
machines = [["model:6.1", "model:6.12", "model:7.2"]]
seed = 0
programs = 1000
programs_per_shard = 250

[[check]]           # every sequence of operations of a scope
machines = ["model:7.2"]
policies = ["trackers"]
scopes = ["small"]

[[catalogue]]       # programs that come with pfnlab; a file of one's own lies beside this one
machines = [["model:6.1", "model:7.2"]]
programs = ["munmap-*"]

# [[meet]]          # kernels, each compared with the model of its version
# kernels = ["6.12.107"]

# [[sweep]]         # every pair of operations on every kind of mapping
# machines = [["qemu:7.2"]]
# scopes = ["pci"]
"""

#: The name of a campaign whose file has a name of which nothing is left.
_NAMELESS = "campaign"

#: What a name does not have, and where it does not begin or end.
_OTHER, _BORDER = re.compile(r"[^a-z0-9._-]+"), "._-"

_MOST = 64


def new_text(file: Path) -> str:
    """The content of a new file, whose campaign is called as the file is, in letters that a name may have."""
    name = _OTHER.sub("-", file.stem.lower()).strip(_BORDER)[:_MOST].rstrip(_BORDER)
    return EXAMPLE.format(name=name or _NAMELESS)
