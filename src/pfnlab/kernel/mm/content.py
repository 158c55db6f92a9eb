"""The content of a page: one 4096-byte number, lowest byte first; 0 is a page full of zeros.

A task's loads and stores access the first 32 bits; the kernel's can access any bytes (S7.6.5).
"""

_WORD = (1 << 32) - 1


def word(content: int) -> int:
    """The first 32 bits."""
    return content & _WORD


def with_word(content: int, value: int) -> int:
    """*content* with its first 32 bits replaced."""
    return content & ~_WORD | value


def bytes_at(content: int, offset: int, length: int) -> bytes:
    """*length* bytes from byte *offset* on, all within the page."""
    return (content >> 8 * offset & (1 << 8 * length) - 1).to_bytes(length, "little")


def with_bytes(content: int, offset: int, stored: bytes) -> int:
    """*content* after writing *stored* at byte *offset*."""
    mask = (1 << 8 * len(stored)) - 1
    return content & ~(mask << 8 * offset) | int.from_bytes(stored, "little") << 8 * offset
