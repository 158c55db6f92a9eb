"""The content of a page: a number of 4096 bytes, lowest byte first; 0 is a page of zeros.

Loads and stores of a task access the first 32 bits; those of the kernel access any bytes (S7.6.5).
"""

_WORD = (1 << 32) - 1


def word(content: int) -> int:
    """The first 32 bits."""
    return content & _WORD


def with_word(content: int, value: int) -> int:
    """*content* with its first 32 bits replaced."""
    return content & ~_WORD | value


def bytes_at(content: int, offset: int, length: int) -> bytes:
    """*length* bytes starting at byte *offset*, all within the page."""
    return (content >> 8 * offset & (1 << 8 * length) - 1).to_bytes(length, "little")


def with_bytes(content: int, offset: int, stored: bytes) -> int:
    """*content* with *stored* written at byte *offset*."""
    mask = (1 << 8 * len(stored)) - 1
    return content & ~(mask << 8 * offset) | int.from_bytes(stored, "little") << 8 * offset
