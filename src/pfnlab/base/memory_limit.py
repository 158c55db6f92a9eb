"""A limit of a process's memory that never exceeds the limit it has: raising one needs a capability."""

import resource


def limit_memory(most: int, process: int = 0) -> None:
    """Limit the address space (RLIMIT_AS) of a process, 0 for this one, to *most* bytes."""
    hard = resource.prlimit(process, resource.RLIMIT_AS)[1]
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.prlimit(process, resource.RLIMIT_AS, (allowed, allowed))
