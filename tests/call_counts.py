"""Functions whose calls are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def counting(
    counted: Counter[str], name: str, function: Callable[Arguments, Result]
) -> Callable[Arguments, Result]:
    """*function*, each call of which is counted under *name*."""

    def call(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        counted[name] += 1
        return function(*arguments, **options)

    return call
