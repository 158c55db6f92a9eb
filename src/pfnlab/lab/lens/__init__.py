"""The lens: a kernel's own structures, read from outside, as plain values in the kernel's own numbers.

In import order: :mod:`btf` (types from the kernel's BTF), :mod:`vmlinux` (where the BTF comes from),
:mod:`memory` (where the bytes come from), :mod:`kallsyms` (where things are), :mod:`program` (all of it
as a drgn program), :mod:`snapshot` (the state as a value, :mod:`plain`, with its page tables by
:mod:`table_walk`). It knows no programs: :mod:`pfnlab.lab.running.inside_state` has the words for them.

Everything read here may be damaged or hostile: every walk is bounded, and ends in one `LensError`.
"""

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import visible_name

#: The lens in messages.
THE_LENS = "the lens, which reads kernel structures,"


class LensError(Undecided):
    """A kernel's types or memory are not as they should be; the message names structure and place.

    Names in it were read out of that memory, and stand in one line all the same.
    """

    def __init__(self, said: str) -> None:
        super().__init__(visible_name(said))
