"""A source tree that builds in no time: the targets of a kernel's Makefile, and an image with its header."""

import struct
from pathlib import Path

RELEASE = "7.2.13"

MAKEFILE = """\
VERSION = 7
PATCHLEVEL = 2
SUBLEVEL = 13

tinyconfig:
	@printf 'CONFIG_64BIT=y\\n# CONFIG_NET is not set\\n' > $(O)/.config
olddefconfig:
	@grep -v -w -F -f absent $(O)/.config > $(O)/.new; mv $(O)/.new $(O)/.config
$(O)/mm/%.o: mm/%.c
	@echo '  CC      mm/$*.o'
	@! grep -n '#error' $< || { echo "$<:1:2: error: #error wrong"; exit 1; }
	@mkdir -p $(O)/mm
	@cp $< $@
bzImage: $(O)/mm/memory.o $(O)/mm/vma.o
	@mkdir -p $(O)/arch/x86/boot
	@cat image mm/memory.c > $(O)/arch/x86/boot/bzImage
	@gcc -nostdlib -static -no-pie -o $(O)/vmlinux vmlinux.c
modules:
"""

#: A bare diff, of a file that no tree has.
DIFF = """\
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1,3 +1,4 @@ void f(void)
 one
-two
+2
+2.5
 three
"""

PATCH = """\
One line more

Policy: flush=end_vma
Base: linux-source-7.2 7.2.13-1
SPDX-License-Identifier: GPL-2.0-only
---
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1,2 +1,3 @@
 int first;
+int patched;
 int last;
"""

NEW_FILE = """\
--- /dev/null
+++ b/mm/new.c
@@ -0,0 +1 @@
+int new;
"""


def toy_tree(folder: Path, absent: tuple[str, ...] = ("CONFIG_NOTHING",)) -> Path:
    """A tree in *folder*, whose kernel does not know the options *absent*."""
    (folder / "mm").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "absent").write_text("".join(f"{option}\n" for option in absent))
    (folder / "mm" / "memory.c").write_text("int first;\nint last;\n")
    (folder / "mm" / "vma.c").write_text("int first;\nint last;\n")
    (folder / "image").write_bytes(image())
    (folder / "vmlinux.c").write_text("void vm_area_dup(void) {}\nvoid _start(void) {}\n")
    return folder


def image() -> bytes:
    """A setup header with a version string."""
    head = bytearray(0x400)
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x100)
    text = f"{RELEASE} (pfnlab@lab)\0".encode()
    head[0x300 : 0x300 + len(text)] = text
    return bytes(head)
