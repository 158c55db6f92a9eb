"""Addresses of a kernel's symbols, from the compressed table that the kernel uses for its own messages.

VMCOREINFO has the address of the table (Linux commit f09bddbd86619 "vmcoreinfo: add kallsyms_num_syms symbol"
(in v6.0)). A name is a length followed by that many bytes, each of which is an index into a table of tokens.
"""

import struct
from array import array
from collections.abc import Callable, Collection, Iterator

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import VmCoreInfo

#: Maximum number of symbols in a kernel, and maximum length of a symbol in bytes (KSYM_NAME_LEN).
MAX_SYMBOLS, MAX_SYMBOL = 2_000_000, 1024

#: Symbols that are also in VMCOREINFO: if the layout is right, the table gives the same addresses for them.
_PROOFS = ("_stext", "swapper_pg_dir", "init_uts_ns")

_TOKENS = 256
_PIECE = 64 << 10

#: Reads *size* bytes of kernel memory at a virtual address.
ReadVirtual = Callable[[int, int], bytes]


def read_kallsyms(read: ReadVirtual, info: VmCoreInfo, wanted: Collection[str]) -> dict[str, int]:
    """The run-time addresses of those *wanted* symbols that the kernel has; of equal names, the first counts.

    :raises LensError: if the table is missing or damaged
    """
    names_at, count_at, tokens_at, token_index_at, offsets_at = (
        info.address(f"kallsyms_{name}")
        for name in ("names", "num_syms", "token_table", "token_index", "offsets")
    )
    (count,) = struct.unpack("<I", read(count_at, 4))
    if not 0 < count <= MAX_SYMBOLS:
        raise LensError(f"kernel {info.release}: its symbol table claims {count:,} symbols")
    tokens = _tokens(read, tokens_at, token_index_at, info.release)
    searched_names = {name.encode() for name in (*wanted, *_PROOFS)}
    places: dict[bytes, int] = {}
    for place, packed in enumerate(_packed_names(read, names_at, count, info.release)):
        # The first byte of a name is its type, as nm prints it.
        name = b"".join([tokens[byte] for byte in packed])[1:]
        if name in searched_names and name not in places:
            places[name] = place
            if len(places) == len(searched_names):
                break
    addresses = _addresses(read, offsets_at, count, info, places)
    return {name: addresses(places[name.encode()]) for name in wanted if name.encode() in places}


def _tokens(read: ReadVirtual, table: int, index: int, release: str) -> list[bytes]:
    starts = struct.unpack(f"<{_TOKENS}H", read(index, 2 * _TOKENS))
    text = read(table, max(starts) + MAX_SYMBOL)
    tokens = []
    for start in starts:
        stop = text.find(b"\0", start, start + MAX_SYMBOL)
        if stop < 0:
            raise LensError(f"kernel {release}: a token of its symbol table is not terminated")
        tokens.append(text[start:stop])
    return tokens


def _addresses(
    read: ReadVirtual, table: int, count: int, info: VmCoreInfo, places: dict[bytes, int]
) -> Callable[[int], int]:
    # Maps index n in the table to an address. There have been three layouts; the right one is not guessed
    # from the kernel version but checked against symbols with known addresses.
    values = array("i")
    values.frombytes(read(table, 4 * count))
    layouts: list[Callable[[int], int]] = [lambda place: table + 4 * place + values[place]]
    base_at = info.symbol("kallsyms_relative_base")
    if base_at is not None:
        (base,) = struct.unpack("<Q", read(base_at, 8))
        layouts = [
            # KALLSYMS_ABSOLUTE_PERCPU: per-CPU offsets are positive, all others are relative to the base.
            lambda place: values[place] if values[place] >= 0 else base - 1 - values[place],
            lambda place: base + (values[place] & 0xFFFFFFFF),
        ]
    proofs = [(places[name.encode()], info.symbol(name)) for name in _PROOFS if name.encode() in places]
    for layout in layouts:
        if proofs and all(layout(place) == address for place, address in proofs):
            return layout
    raise LensError(
        f"kernel {info.release}: its symbol table and VMCOREINFO disagree about {', '.join(_PROOFS)}"
    )


def _packed_names(read: ReadVirtual, start: int, count: int, release: str) -> Iterator[bytes]:
    # The names, one after another. Their total length is not recorded, so they are read in pieces.
    data, place, next_address = read(start, _PIECE), 0, start + _PIECE
    for number in range(count):
        if place + 2 + MAX_SYMBOL > len(data):
            data, place, next_address = data[place:] + read(next_address, _PIECE), 0, next_address + _PIECE
        length, place = data[place], place + 1
        if length & 0x80:
            length, place = length & 0x7F | data[place] << 7, place + 1
        if not 0 < length <= MAX_SYMBOL:
            raise LensError(f"kernel {release}: symbol {number:,} of its table is {length} bytes long")
        yield data[place : place + length]
        place += length
