"""A user of a BAR, as monitoring tools are: it maps registers and a frame, and a child looks at the frame."""

import mmap
import os
import sys

registers = f"{sys.argv[1]}/resource2"
with open(registers, "r+b", buffering=0) as file:
    control = mmap.mmap(file.fileno(), 4 * mmap.PAGESIZE)
with open(f"{registers}_wc", "r+b", buffering=0) as file:
    frame = mmap.mmap(file.fileno(), 16 * mmap.PAGESIZE, offset=16 * mmap.PAGESIZE)
control[0:4] = b"\x01\x00\x00\x00"
frame[0:4] = b"\x2a\x00\x00\x00"
frame.madvise(mmap.MADV_DONTFORK, 8 * mmap.PAGESIZE, 8 * mmap.PAGESIZE)
child = os.fork()
if child == 0:
    found = frame[0]
    control.close()
    os._exit(found != 0x2A)
_, status = os.waitpid(child, 0)
try:
    frame.resize(32 * mmap.PAGESIZE)
except OSError as trouble:
    print(f"a frame stays as large as it is: {trouble}")
frame.close()
control.close()
raise SystemExit(status)
