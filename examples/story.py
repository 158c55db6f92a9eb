"""The first story of the README from Python: what stays reserved when the middle of a mapping goes first?"""

import pfnlab as pl


def left_over(kernel: str) -> list[str]:
    """What is still reserved on *kernel* when nobody maps the device any more."""
    machine = pl.machine(kernel)
    mapping = machine.mmap("bar[0:16]", "wc")
    machine.munmap(mapping[4:8])
    machine.munmap(mapping)
    return [str(entry) for entry in machine.book]


if __name__ == "__main__":
    for kernel in ("model:6.1", "model:7.2"):
        print(kernel, *left_over(kernel) or ["nothing"])
