"""pfnlab: the rules of Linux PFN mappings as a program, compared with real kernels.

``import pfnlab as pl; m = pl.machine("model:7.2")``: what it offers is in ``__all__`` and in ``docs/api.md``.
A name is imported when it is first used, so that ``import pfnlab`` and the command line stay quick.
"""

from pfnlab.base.version import VERSION as __version__

# Type checkers take a variable of this name for true; typing itself would take longer than all the rest here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from pfnlab.api import CheckReport as CheckReport
    from pfnlab.api import Differences as Differences
    from pfnlab.api import Forced as Forced
    from pfnlab.api import LiveMachine as LiveMachine
    from pfnlab.api import LiveTask as LiveTask
    from pfnlab.api import MappedPages as MappedPages
    from pfnlab.api import Misuse as Misuse
    from pfnlab.api import Pages as Pages
    from pfnlab.api import PfnlabError as PfnlabError
    from pfnlab.api import Program as Program
    from pfnlab.api import ProgramError as ProgramError
    from pfnlab.api import RunReport as RunReport
    from pfnlab.api import StepSeen as StepSeen
    from pfnlab.api import Undecided as Undecided
    from pfnlab.api import check as check
    from pfnlab.api import diff as diff
    from pfnlab.api import load as load
    from pfnlab.api import machine as machine
    from pfnlab.api import run as run
    from pfnlab.api import save as save

__all__ = [
    "CheckReport",
    "Differences",
    "Forced",
    "LiveMachine",
    "LiveTask",
    "MappedPages",
    "Misuse",
    "Pages",
    "PfnlabError",
    "Program",
    "ProgramError",
    "RunReport",
    "StepSeen",
    "Undecided",
    "__version__",
    "check",
    "diff",
    "load",
    "machine",
    "run",
    "save",
]


# Type checkers would take every name for one that it gives.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module 'pfnlab' has no attribute {name!r}: it offers {', '.join(__all__)}")
        from importlib import import_module

        value = getattr(import_module("pfnlab.api"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
