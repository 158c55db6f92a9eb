"""A property that kernels should have: one declaration, which everything that names the property reads."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from pfnlab.base.errors import Defect
from pfnlab.kernel.bugs.loss import Loss

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, eq=False)
class KernelProperty:
    """A property by name.

    :param asks: the property in one sentence, without the full stop
    :param more: further sentences for documentation; empty if there are none
    :param happens: the failure, if it is violated
    :param noticed: who sees the failure, and how
    :param loss: what the failure costs
    """

    name: str
    asks: str
    more: str = ""
    happens: str = ""
    noticed: str = ""
    loss: Loss = Loss.PASSING

    def __post_init__(self) -> None:
        for part in ("asks", "happens", "noticed"):
            if not getattr(self, part):
                raise Defect(f"property {self.name}: its declaration lacks `{part}`")


def documented(judge: Callable[..., Any]) -> tuple[str, str, str]:
    """The first three parts of a property whose judge is this function: its name, and the first paragraph of
    its docstring and the others up to a ``:param``.
    """
    first, _, rest = (judge.__doc__ or "").partition("\n\n")
    asks, more = (" ".join(part.split()) for part in (first, rest.partition(":param")[0]))
    return judge.__name__, asks.removesuffix("."), more


def declared(kind: type[_Kind], *modules: ModuleType) -> tuple[_Kind, ...]:
    """The declarations of one *kind* in *modules*, in order."""
    found = (one for module in modules for one in vars(module).values() if isinstance(one, kind))
    return tuple(dict.fromkeys(found))
