"""The types of an operation's fields, and the row in which its class declares the rest.

Parser, printer, checks, requests to the guest agent, methods, fuzzer, shrinker, grammars and reproducers read
an operation's row. Its effect in the model is in ``programs/model/dispatch.py``.
"""

from enum import Enum, auto
from typing import NamedTuple


class Shape(Enum):
    """A field with the same form in every operation that has one."""

    #: Pages of an area, which may be named as a whole: ``munmap a``.
    RANGE = auto()
    #: A page of an area that is accessed: ``read a[0]``.
    ACCESS = auto()
    #: Pages of a device.
    DEVICE_PAGES = auto()
    #: Pages of a device, or of the driver's own memory.
    MEMORY = auto()
    #: Pages of the driver's own memory.
    OWN_PAGES = auto()
    #: Whole sections of a pci device.
    SECTIONS = auto()
    #: A device by its name.
    DEVICE = auto()
    #: ``none`` or letters of ``rwx``.
    PROT = auto()
    #: 32 bits that are stored.
    VALUE = auto()
    #: The pages that a process may have in addition to its present ones: ``+16 pages``, or ``unlimited``.
    ROOM = auto()
    #: A task that is alive at this point.
    TASK = auto()
    #: A task of the program, which may have ended.
    ANY_TASK = auto()
    #: A task whose processor is held; omitted if it is the only one.
    HELD = auto()


class Word(NamedTuple):
    """A field that is one word of several.

    :param numbers: each word with its number for the guest agent, in the order in which messages list them
    :param says: its name in messages
    :param default: the word that is implied if omitted; None if it is required
    :param plainer: the words that the shrinker tries, the plainest first; all of them if not given
    :param c: the beginning of its names in C; without one, it is its number there
    :param newer: the number from which on old C libraries lack the names
    """

    numbers: dict[str, int]
    says: str
    example: str
    default: str | None = None
    plainer: tuple[str, ...] = ()
    c: str = ""
    newer: int | None = None


class Ending(NamedTuple):
    """A field that is the end of the verb: ``set_memory_wc``; its words are like those of :class:`Word`."""

    numbers: dict[str, int]
    plainer: tuple[str, ...] = ()


class Flag(NamedTuple):
    """A field that is true if its word is present.

    :param plainer: the value that the shrinker tries; None if neither is plainer
    :param c: the words for false and true in C
    """

    word: str
    plainer: bool | None = False
    c: tuple[str, str] = ("false", "true")


Field = Shape | Word | Ending | Flag


class Row(NamedTuple):
    """An operation: its fields, and its words in other languages.

    :param fields: the types of its fields, in their order
    :param wire: its verb in the protocol of the guest agent (``lab/guest/PROTOCOL.md``)
    :param rules: the steps of ``docs/semantics`` that describe its effect; empty if no step is specific to it
    :param weight: how often the fuzzer draws it; 0 if only a schedule has it
    :param seen: its only effects are those the state shows, and it returns
    :param c: the C expression for it, with ``{at}``, ``{bytes}``, ``{pages}`` and the names of fields; empty
        for a function of the same name with its fields in order, or a request to the driver
    :param asks: the expression by which a module answers that request, with ``{asked}`` for the range; empty
        for a function of the same name. It ends in ``;`` if it has no value
    :param traced: the system calls with address, length and the other fields in order, as strace names them
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
