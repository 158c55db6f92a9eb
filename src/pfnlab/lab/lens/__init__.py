"""The lens: the kernel's own structures, read from outside as plain values with the kernel's own numbers.

In import order: :mod:`btf` (types from the kernel's BTF), :mod:`vmlinux` (source of the BTF), :mod:`memory`
(source of the bytes), :mod:`kallsyms` (addresses of symbols), :mod:`program` (all of these as a drgn
program), and :mod:`snapshot` (the state as a :mod:`plain` value; :mod:`table_walk` reads its page tables).
The lens knows nothing about programs: :mod:`pfnlab.lab.running.inside_state` translates into their terms.

Everything read here may be damaged or hostile, so every walk is bounded and fails with a `LensError`.
"""

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import visible_name

#: The lens's name in messages.
THE_LENS = "the lens, which reads kernel structures,"


class LensError(Undecided):
    """A kernel's types or memory are not as expected; the message names the structure and place.

    Names in the message come from that memory, so they are shown escaped, on one line.
    """

    def __init__(self, said: str) -> None:
        super().__init__(visible_name(said))
