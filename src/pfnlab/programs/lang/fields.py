"""The types of an operation's fields, and the row of declarations that belongs to its class.

The row is used by the parser, printer, checks, requests to the guest agent, methods, fuzzer, shrinker,
grammars and reproducers. What an operation does in the model is in ``programs/model/dispatch.py``.
"""

from enum import Enum, auto
from typing import NamedTuple


class Shape(Enum):
    """A field with the same form in every operation."""

    #: Pages of an area, or the whole area: ``munmap a``.
    RANGE = auto()
    #: The page of an area that is accessed: ``read a[0]``.
    ACCESS = auto()
    #: Pages of a device.
    DEVICE_PAGES = auto()
    #: Pages of a device, or of the driver's own memory.
    MEMORY = auto()
    #: Pages of the driver's own memory.
    OWN_PAGES = auto()
    #: Whole sections of a pci device.
    SECTIONS = auto()
    #: A device, by name.
    DEVICE = auto()
    #: ``none``, or letters from ``rwx``.
    PROT = auto()
    #: The 32 bits to be stored.
    VALUE = auto()
    #: The number of pages that a process may have beyond those it has now: ``+16 pages``, or ``unlimited``.
    ROOM = auto()
    #: A task that is alive at this point.
    TASK = auto()
    #: A task in the program, which may have ended.
    ANY_TASK = auto()
    #: A task whose processor is held; omitted if there is only one.
    HELD = auto()


class Word(NamedTuple):
    """A field whose value is one of several words.

    :param numbers: each word and its number for the guest agent, in the order that messages use
    :param says: what messages call the field
    :param default: the word implied if it is omitted; None if it is required
    :param plainer: the words that the shrinker tries, simplest first; if not given, all words
    :param c: the prefix that its names have in C; if empty, C uses its number
    :param newer: the first number whose name old C libraries lack
    """

    numbers: dict[str, int]
    says: str
    example: str
    default: str | None = None
    plainer: tuple[str, ...] = ()
    c: str = ""
    newer: int | None = None


class Ending(NamedTuple):
    """A field that is the end of the verb: ``set_memory_wc``; its words are as in :class:`Word`."""

    numbers: dict[str, int]
    plainer: tuple[str, ...] = ()


class Flag(NamedTuple):
    """A field that is true if its word is present.

    :param plainer: the value that the shrinker tries; None if neither is simpler
    :param c: the C words for false and true
    """

    word: str
    plainer: bool | None = False
    c: tuple[str, str] = ("false", "true")


Field = Shape | Word | Ending | Flag


class Row(NamedTuple):
    """An operation's row: its fields, and its forms in other languages.

    :param fields: the types of its fields, in order
    :param wire: its verb in the guest agent's protocol (``lab/guest/PROTOCOL.md``)
    :param rules: the steps in ``docs/semantics`` that describe its effect; empty if no step is specific to it
    :param weight: how often the fuzzer picks it; 0 if it occurs only in schedules
    :param seen: it has no effects beyond those visible in the state, and the call returns
    :param c: its C expression, with ``{at}``, ``{bytes}``, ``{pages}`` and field names; empty for a function
        of the same name that takes the fields in order, or for a request to the driver
    :param asks: the expression with which a module carries out that request, with ``{asked}`` for the range;
        empty for a function of the same name. It ends in ``;`` if it has no value
    :param traced: strace's names for the system calls that take address, length and the other fields in order
    :param option: the kernel configuration option that the operation requires
    """

    fields: tuple[Field, ...]
    wire: str
    rules: str
    weight: float = 1
    seen: bool = False
    c: str = ""
    asks: str = ""
    traced: str = ""
    option: str = ""
