"""The instruments for a copied page behind swap and migration: the monitor's words, and the disk for swap."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
import tooling

TOOL = tooling.copied_modes()

#: As QEMU 7.2 prints it: no execution, dirty, accessed, PCD, PWT, user, writable.
TLB = """\
00007f1122332000: 00000000fe801000 X---A-TU-
00007f1122333000: 0000000003a4b000 X--DA{}UW
00007f1122334000: 00000000fe803000 X---A-TU-
"""


def answering(folder: Path, text: str) -> Path:
    """A monitor that answers one question with *text*."""
    path = folder / "monitor"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.sendall(b"QEMU 7.2 monitor\r\n(qemu) ")
            connection.recv(100)
            connection.sendall(f"info tlb\r\n{text}(qemu) ".encode())

    threading.Thread(target=answer, daemon=True).start()
    return path


@pytest.mark.parametrize(("bits", "mode"), [("--", "WB"), ("-T", "WC"), ("C-", "UC-"), ("CT", "UC")])
def test_the_cache_bits_of_an_entry_name_its_mode(tmp_path: Path, bits: str, mode: str) -> None:
    """PCD and PWT, as Linux sets up the PAT."""
    assert mode == TOOL.mode_at(answering(tmp_path, TLB.format(bits)), 0x7F1122333000)


def test_an_entry_that_is_not_there_has_no_mode(tmp_path: Path) -> None:
    """Which is not write-back."""
    assert "no entry" == TOOL.mode_at(answering(tmp_path, TLB.format("--")), 0x7F1122335000)


def test_the_disk_for_swap_has_the_header_of_mkswap(tmp_path: Path) -> None:
    """Version 1, its last page, and the signature at the end of the first page."""
    TOOL.make_swap(tmp_path / "swap")

    header = (tmp_path / "swap").read_bytes()[:4096]
    assert (1, (1 << 17) - 1) == (
        int.from_bytes(header[1024:1028], "little"),
        int.from_bytes(header[1028:1032], "little"),
    )
    assert header.endswith(b"SWAPSPACE2")
