"""The fields of templates: what each may look like in a paste, and how a sample of it is written."""

from __future__ import annotations

import errno as _errno
import os
import re

import msgspec

#: What stands in place of a value that was cut out by hand.
ELIDED = r"(?:[0-9a-fx]{0,8}\.{2,}(?:-[0-9a-fx]{0,8}\.{2,})?|…|<(?!->)[^<>\s]{1,24}>|\?{2,}|[Xx]{4,})"

_HEX = r"(?:0[xX])?[0-9a-fA-F]{1,16}"

#: A number at the beginning of a range: of one without 0x, words such as "e" are no number.
_FIRST = r"(?<![\w-])(?:0[xX][0-9a-fA-F]{1,16}|[0-9a-fA-F]{4,16})"

#: Between the two numbers of a range; a mailer may break the line after the hyphen.
_TO = r"\s*(?:->|-|,|\bto\b)\s*"

_WORDS = sorted(
    {os.strerror(number) for number in _errno.errorcode} | {"Operation not supported"}, key=len, reverse=True
)

_MODE = (
    r"(?:write[-\s]{1,2}combining|write[-\s]{0,2}back|write[-\s]{1,2}through|write[-\s]{1,2}protect(?:ed)?"
    r"|uncached[-\s]{1,2}minus|uncached|uncachable|0x[0-9a-fA-F]{1,4}|\d{1,3}|(?:UC-|UC|WC|WB|WT|WP)(?![\w-])"
    r"|broken|(?<=req )-)"
)


class TemplateField(msgspec.Struct, frozen=True):
    """One kind of field.

    :param pattern: a regex without groups
    :param sample: what a line made from a template has there
    :param kept: its text is a value of the event
    """

    pattern: str
    sample: str
    kept: bool = True


FIELDS: dict[str, TemplateField] = {
    "comm": TemplateField(r"[^\s:](?:.{0,38}[^\s])?", "main"),
    "pid": TemplateField(rf"(?:\d{{1,10}}|{ELIDED})", "177"),
    "range": TemplateField(rf"(?:{_FIRST}{_TO}{_HEX}|{ELIDED})", "0xfd000000-0xfd003fff"),
    "holder_range": TemplateField(rf"(?:{_FIRST}{_TO}{_HEX}|{ELIDED})", "0xfd000000-0xfdffffff"),
    "start": TemplateField(rf"(?:{_HEX}|{ELIDED})", "0xfd000000"),
    "end": TemplateField(rf"(?:{_HEX}|{ELIDED})", "0xfd004000"),
    "size": TemplateField(rf"(?:{_HEX}|{ELIDED})", "0x4000"),
    "bytes": TemplateField(r"\d{1,20}", "16384"),
    "kib": TemplateField(r"\d{1,16}", "16"),
    "mib": TemplateField(r"\d{1,16}", "64"),
    "pfn": TemplateField(_HEX, "fd000"),
    "wanted": TemplateField(_MODE, "write-combining"),
    "granted": TemplateField(_MODE, "uncached-minus"),
    "existing": TemplateField(_MODE, "uncached-minus"),
    "differs": TemplateField(_MODE, "write-combining"),
    # What the list would have taken; in 2.6.29 to 2.6.34 the mode of what is there.
    "track": TemplateField(_MODE, "uncached-minus"),
    "device": TemplateField(r"(?:\(NULL device \*\)|[\w.][\w.:-]{0,40}[\w.]|\w)", "0000:01:00.0"),
    "driver": TemplateField(r"[\w.-]{1,40}", "vfio-pci"),
    "bar": TemplateField(r"\d{1,2}", "1"),
    "holder": TemplateField(r"\S(?:.{0,60}?\S)?", "PCI Bus 0000:00"),
    "errno": TemplateField(rf"(?:-?\d{{1,4}}|-?E[A-Z0-9]{{2,12}}|{'|'.join(map(re.escape, _WORDS))})", "-16"),
    "slots": TemplateField(
        r"(?:(?:WB|WC|UC-|UC|WT|WP)(?:\s+|(?![\w-]))){2,8}", "WB  WC  UC- UC  WB  WP  UC- WT"
    ),
    "amount": TemplateField(r"\d{1,6}[KMGT]?", "16K"),
    "perms": TemplateField(r"[r-][w-][x-][sp-](?:-{1,3}R?)?", "rw-s", False),
    "path": TemplateField(r"(?:/|\[|anon_inode:)\S{1,200}(?:\s\(deleted\))?", "/dev/mem", False),
    "vm_flags": TemplateField(r"(?:0x)?[0-9a-fA-F]{1,16}", "44644fb"),
    "addr": TemplateField(
        r"(?:(?:0x)?[0-9a-fA-F]{1,16}|\((?:null|ptrval|____ptrval____)\))", "7f20ae059000", False
    ),
    "number": TemplateField(r"-?\d{1,20}", "4", False),
    "symbol": TemplateField(
        r"[A-Za-z_][\w.]*(?:\+0x[0-9a-fA-F]+(?:/0x[0-9a-fA-F]+)?)?", "probe+0x15e/0x890", False
    ),
    "file": TemplateField(r"[\w./+~-]{1,200}\.(?:[chS]|rs)", "mm/memory.c", False),
    "line": TemplateField(r"\d{1,6}", "1064", False),
    "word": TemplateField(r"\S{1,200}", "word", False),
    "text": TemplateField(r".{0,400}?", "some words", False),
}

#: How a missing field is called where an event says what it does not know.
CALLED = {
    "comm": "the task",
    "pid": "the process",
    "range": "the range",
    "holder_range": "the range of what is in the way",
    "start": "the address",
    "end": "the end of the range",
    "size": "the size",
    "pfn": "the page frame",
    "wanted": "the mode that was asked for",
    "granted": "the mode that was given",
    "existing": "the mode of what is there",
    "differs": "the modes of what is there",
    "device": "the device",
    "driver": "the driver",
    "errno": "the error",
}
