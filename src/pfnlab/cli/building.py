"""``pfnlab kernels build``: a kernel from source under a name."""

from __future__ import annotations

from pfnlab.lab.building.build import BuildRequest, build
from pfnlab.lab.running.named_machines import check_series
from pfnlab.progress import say, working


def build_kernel(request: BuildRequest) -> int:
    """Build a kernel and print its name, what it is, and how to run a program on it."""
    if request.series is not None:
        check_series(request.series)
    with working(f"building a kernel of {request.source}"):
        kernel = build(request, say=say)
    print(f"qemu:{kernel.name}: {kernel.origin}, {kernel.release}, built in {kernel.seconds:g} s")
    model = f"model:{kernel.name}" + (f",{kernel.policy}" if kernel.policy else "")
    print(f"compare it: pfnlab run PROGRAM --on {model} --on qemu:{kernel.name}")
    return 0
