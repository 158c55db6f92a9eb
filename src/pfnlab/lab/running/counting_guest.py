"""A guest that counts what its kernel executes in the last operation of a program, between marks around it.

With one processor, every instruction of the kernel counts, also one that only interrupts the operation. With
several, the interrupts count by which a processor makes others call a function, e.g. to flush their TLBs.
"""

from collections import Counter
from typing import Self

from pfnlab.base.errors import Undecided
from pfnlab.lab.images.configured import configuration_of_kernel, ram_mib
from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.placement import BAR_MIB, Windows
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.steering.symbols import kernel_symbols
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.counted_blocks import Blocks, MarkedBlock
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.ops import Program

#: The name for code outside the kernel's image: the driver's.
MODULES = "modules"

# Where the interrupts begin by which a processor makes several others, or one, call a function.
_CALL_HANDLERS = (("sysvec_call_function", 0), ("sysvec_call_function_single", 0))

_LIMIT = 60.0
# Milliseconds that tasks have to start on their processors.
_START_MS = 20


class CountingGuest:
    """A guest with this many processors; a context manager.

    :raises LostGuest: if it does not boot
    :raises MissingTool: if QEMU or a C compiler is not installed
    """

    def __init__(self, kernel: KernelImage, processors: int = 1) -> None:
        try:
            image = image_with_driver(kernel)
        except Undecided:
            # Programs without a driver can still be measured; the agent refuses the others.
            image = guest_image()
        self._processors = processors
        self._guest = Guest(
            kernel.vmlinuz,
            GuestShape(bar_mib=BAR_MIB, image=image, cpus=processors, steady=True),
            ram_mib=ram_mib(configuration_of_kernel(kernel)),
            counted=True,
        )
        try:
            self._symbols = kernel_symbols(self._guest, kernel.vmlinuz)
        except BaseException:
            self._guest.close()
            raise
        self._windows = Windows(self._guest.hello.bar)

    def instructions(self, program: Program) -> dict[str, int]:
        """The number of instructions that the last operation executes, by kernel function.

        :raises Undecided: if the operation is refused, or the guest lacks what the program needs
        """
        found = Counter[str]()
        for block in self._marked(program, 1):
            found[self._symbols.function(block.address) or MODULES] += block.length * block.runs
        return dict(found)

    def interrupts(self, program: Program, processors: int) -> int:
        """The number of interrupts that the last operation sends, with threads running on *processors*.

        :raises Undecided: as in `instructions`
        """
        blocks = self._marked(program, processors)
        places = ((self._symbols.place(block.address), block.runs) for block in blocks)
        # The first block of a function runs once for every call.
        return sum(runs for place, runs in places if place in _CALL_HANDLERS)

    def _marked(self, program: Program, processors: int) -> list[MarkedBlock]:
        blocks = self._guest.blocks
        assert blocks is not None
        placement = self._windows.place(program)
        if placement is None:
            raise Undecided("the guest has no room left for the program")
        # Interrupts of processors without a task have other causes, so a task of another process runs there.
        others = self._running("fork", range(processors, self._processors))
        threads = self._running("thread", range(1, processors))
        observed = ObservationRequest(vmas=False, ptes=False, last=True)
        # A notifier that is there only to be observed would be part of the cost.
        *lines, last, _ = (
            line
            for line in compile_program(program, placement, observed).splitlines()
            if not line.endswith(" driver watch")
        )
        first = next((at for at, line in enumerate(lines) if line.startswith("op ")), len(lines))
        try:
            self._ask(*lines[:first], *others, *lines[first:], *threads, "more")
            blocks.clear()
            answer = self._ask("program 1", "observe order", last, "more")
            marked = self._read(blocks)
        finally:
            self._guest.request("program 1\nend\n", _LIMIT)
        self._windows.release(placement)
        if "\nr 0 0" not in answer:
            raise Undecided("the kernel refuses it")
        return marked

    @staticmethod
    def _running(created: str, tasks: range) -> list[str]:
        """The lines that create tasks and let each run on a processor; the last one is the program's."""
        lines = [
            line
            for task in tasks
            for line in (f"op 0 {created} {task}", f"op {task} pin {task - 1:x}", f"begin {task} spin")
        ]
        return [*lines, *(f"collect {task} {_START_MS:x}" for task in tasks[-1:])]

    def _ask(self, *lines: str) -> str:
        answer = self._guest.request("\n".join([*lines, ""]), _LIMIT)
        if answer.startswith("error "):
            raise Undecided(answer.partition("\n")[0].removeprefix("error "))
        return answer

    def _read(self, blocks: Blocks) -> list[MarkedBlock]:
        if blocks.is_full:
            raise Undecided("the kernel has more blocks than fit in the file of the counts")
        return blocks.marked()

    def close(self) -> None:
        """End the guest."""
        self._guest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
