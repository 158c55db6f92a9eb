"""One test for many cases that are alike and cheap: it runs all of them and lists those that fail.

``@for_each`` takes what ``pytest.mark.parametrize`` takes. A fact about ten series is one fact; ten tests of
it would be ten items to collect and thirty reports between processes.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from _pytest.mark.structures import ParameterSet

Test = TypeVar("Test", bound=Callable[..., None])

#: The longest value of a case that is shown whole, in letters.
_SHOWN = 120

#: The column of a failure's own text in the list.
_INDENT = "    "

#: A case: its name, and its arguments.
Case = tuple[str, dict[str, Any]]


def for_each(
    names: str | Sequence[str],
    values: Iterable[Any] | Callable[..., Iterable[Any]],
    *,
    ids: Callable[[Any], object] | Sequence[str] | None = None,
) -> Callable[[Test], Test]:
    """Make a test ask each of *values*, and fail with a list of those it fails for.

    Several of these decorators ask every combination. A failure's text is that of the assertion, with its
    line; cases that fail in the same words are listed together. The first failure's traceback is above it.

    Fixtures are made once for all cases, so only facts about values fit; a case cannot be skipped.

    :param names: of the arguments that each value fills, as ``parametrize`` has them
    :param values: a value each, or a tuple for several names; ``pytest.param(..., id=...)`` too. A
        function that makes them is called when the test runs: what is read or computed for them costs nothing
        where tests are only collected, which every process does. Its arguments are those of the test that
        have their names
    :param ids: of the values: their names in the list, or a function that makes them
    :raises ValueError: there are no values, or one has marks: a case is no test. Where
        *values* is a function the test raises it
    """
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    own = list(inspect.signature(values).parameters) if callable(values) else []
    table = functools.cache(
        lambda *given: _table(fields, values(*given) if callable(values) else values, ids)
    )
    if not callable(values):
        table()

    def decorate(test: Test) -> Test:
        function: Callable[..., None]
        function, inner = getattr(test, "asked", (test, ()))
        tables = ((table, own), *inner)

        @functools.wraps(test)
        def ask_all(*instance: object, **fixtures: Any) -> None:
            __tracebackhide__ = True
            _ask(
                functools.partial(function, *instance, **fixtures),
                [made(*map(fixtures.get, names)) for made, names in tables],
            )

        signature = inspect.signature(test)
        lacking = set(fields) - set(signature.parameters)
        if lacking:
            raise ValueError(f"{test.__name__} has no argument {', '.join(sorted(lacking))}")
        left = [one for name, one in signature.parameters.items() if name not in fields]
        ask_all.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        ask_all.asked = function, tables  # type: ignore[attr-defined]
        return ask_all  # type: ignore[return-value]

    return decorate


def _table(fields: list[str], values: Iterable[Any], ids: Any) -> list[Case]:
    """All cases of a test.

    :raises ValueError: there are none, or one has marks
    """
    cases = [*_cases(fields, values, ids)]
    if not cases:
        raise ValueError(f"no values for {', '.join(fields)}: the test could not fail")
    return cases


def _cases(fields: list[str], values: Iterable[Any], ids: Any) -> Iterator[Case]:
    for at, value in enumerate(values):
        name = None
        if isinstance(value, ParameterSet):
            if value.marks:
                raise ValueError(f"a case has no marks: {value.marks}")
            found: Sequence[Any] = value.values
            name = value.id
        else:
            found = (value,) if len(fields) == 1 else value
        if len(found) != len(fields):
            raise ValueError(f"{len(found)} values for {', '.join(fields)}: {found!r}")
        if name is None and ids is not None:
            name = " ".join(str(ids(one)) for one in found) if callable(ids) else ids[at]
        shown = name or " ".join(f"{field}={_shown(one)}" for field, one in zip(fields, found, strict=True))
        yield str(shown), dict(zip(fields, found, strict=True))


def _shown(value: object) -> str:
    """A value in the name of a case."""
    if isinstance(value, Path):
        return value.name
    named = getattr(value, "__name__", None)
    text = named if isinstance(named, str) else value if isinstance(value, str) else repr(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _ask(test: functools.partial[None], tables: Sequence[list[Case]]) -> None:
    """Run *test* on every combination of the cases of *tables*.

    :raises AssertionError: some fail
    """
    __tracebackhide__ = True
    asked, failed = 0, dict[str, list[str]]()
    first: BaseException | None = None
    for combination in itertools.product(*tables):
        asked += 1
        arguments = {name: value for _, values in combination for name, value in values.items()}
        try:
            test(**arguments)
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
            if _is_of_the_clock(error):
                raise
            first = first or error
            failed.setdefault(_said(error, test.func), []).append(", ".join(name for name, _ in combination))
    if failed:
        count = sum(map(len, failed.values()))
        lines = [f"{count} of {asked} cases fail"]
        for said, names in failed.items():
            lines += ["", *names, said]
        raise AssertionError("\n".join(lines)) from first


def _is_of_the_clock(error: BaseException) -> bool:
    """Whether it is the test's time that is up: another case would go on without a limit."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).stem == "pytest_timeout" for frame in frames)


def _said(error: BaseException, test: Callable[..., None]) -> str:
    """Where a case fails, as a line of the test's own file, and in which words."""
    file = inspect.getsourcefile(test)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    where = f"{Path(file or '').name}:{lines[-1] if lines else '?'}: "
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return "\n".join(_INDENT + line for line in f"{where}{kind}{error}".splitlines())
