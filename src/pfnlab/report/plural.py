"""Counts in words: ``1 program``, ``2 programs``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """*number* with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
