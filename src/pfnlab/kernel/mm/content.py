"""The content of a page: a number of 4096 bytes, the first byte the lowest; 0 is a page of zeros.

Loads and stores of a task are of the first 32 bits, the kernel's of any bytes (S7.6.5).
"""

_WORD = (1 << 32) - 1


def word(content: int) -> int:
    """The first 32 bits."""
    return content & _WORD


def with_word(content: int, value: int) -> int:
    """*content* with other first 32 bits."""
    return content & ~_WORD | value


def bytes_at(content: int, offset: int, length: int) -> bytes:
    """*length* bytes from byte *offset* on, all within the page."""
    return (content >> 8 * offset & (1 << 8 * length) - 1).to_bytes(length, "little")


def with_bytes(content: int, offset: int, stored: bytes) -> int:
    """*content* with *stored* from byte *offset* on."""
    mask = (1 << 8 * len(stored)) - 1
    return content & ~(mask << 8 * offset) | int.from_bytes(stored, "little") << 8 * offset
