"""The methods of an interactive machine, one an operation of the language: ``draw_operations.py [--write]``.

Made from the structures of ``programs/lang``: the name is the word of the language, arguments and types are
the fields, the first sentence of the docstring is that of the structure. What names something new (``mmap``,
``mremap``, ``fork``, ``thread``) returns it, and is written by hand in ``api/acting.py``.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from pfnlab.programs.lang import device_ops, ops, walk_ops
from pfnlab.programs.lang.ops import Call, Fork, Mmap, Mremap, Thread
from pfnlab.programs.lang.shapes import verbs_of, word_of
from pfnlab.programs.lang.walk_ops import BYTE_WALKERS, STORING_WALKERS, ProcessVmReadv, Walk
from pfnlab.programs.lang.words import WALKERS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "src" / "pfnlab" / "api" / "methods.py"

#: The operations that name something new.
BY_HAND: tuple[type[Call], ...] = (Mmap, Mremap, Fork, Thread)

HEAD = '''"""The operations of the program language as methods.

`python tools/draw_operations.py --write` makes this file. Arguments are those of the
structures in ``programs/lang``, where each is explained; ``docs/programs.md`` has the whole language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pfnlab.api.arguments import typed_class
from pfnlab.api.pages import Bytes, Where, byte_range
from pfnlab.api.step import StepSeen
{imports}
from pfnlab.programs.lang.span import Span


@typed_class
class Operations(ABC):
    """The operations on a machine: each method is one, and returns the observation after it.

    :raises Misuse: it is no correct operation here; nothing was done
    :raises Undecided: the model has no rule for it; nothing was done
    """

    @abstractmethod
    def _do(self, call: Call) -> StepSeen:
        """Do *call* and see."""

    @abstractmethod
    def _span(self, where: Where) -> Span:
        """The pages meant by *where*."""
'''

#: Annotations of a field as those of an argument.
_TYPES = {"Span": "Where"}

#: The bytes that walkers move: from which one of the page on, and how many.
_BYTES = "bytes: Bytes = None"


def drawn() -> str:
    """The file, formatted."""
    methods = "".join(f"\n{method}" for kind in get_args(Call) for method in _methods(kind))
    source = HEAD.format(imports="\n".join(_imports(methods))) + methods
    for words in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        command = [str(Path(sys.executable).with_name("ruff")), *words, "--stdin-filename", str(PAGE), "-"]
        ran = subprocess.run(command, input=source, capture_output=True, text=True, check=True, cwd=ROOT)
        source = ran.stdout
    return source


def _methods(kind: type[Call]) -> Iterator[str]:
    if kind in BY_HAND:
        return
    if kind is Walk:
        for walker in WALKERS:
            parameters = ["span: Where"] + ["value: int"] * (walker in STORING_WALKERS)
            given = [f'"{walker}"', "self._span(span)"] + ["value"] * (walker in STORING_WALKERS)
            if walker in BYTE_WALKERS:
                parameters += ["*", _BYTES]
                given.append("bytes=byte_range(bytes)")
            yield _method(walker, parameters, "Walk", given, f"{_says(kind)[:-1]}: ``{walker}``.")
    elif kind is ProcessVmReadv:
        given = ["self._span(span)", "byte_range(bytes)"]
        yield _method(word_of(kind), ["span: Where", "*", _BYTES], kind.__name__, given, _says(kind))
    elif kind is device_ops.SetMemory:
        for word in verbs_of(kind):
            mode = word.removeprefix(f"{word_of(kind)}_")
            says = f"The driver changes the cache mode of its own pages to ``{mode}``."
            yield _method(word, ["span: Where"], "SetMemory", ["self._span(span)", f'"{mode}"'], says)
    else:
        yield _plain(kind)


def _plain(kind: type[Call]) -> str:
    parameters, flags, given = [], [], []
    for field in msgspec.structs.fields(kind):
        annotation: Any = kind.__annotations__[field.name]
        if annotation == "bool":
            flags.append(f"{field.name}: bool = {field.default}")
            given.append(f"{field.name}={field.name}")
            continue
        default = "" if field.required else f" = {field.default!r}"
        parameters.append(f"{field.name}: {_TYPES.get(annotation, annotation)}{default}")
        given.append(f"self._span({field.name})" if annotation == "Span" else field.name)
    return _method(
        word_of(kind), [*parameters, *(["*"] if flags else []), *flags], kind.__name__, given, _says(kind)
    )


def _method(word: str, parameters: list[str], kind: str, given: list[str], says: str) -> str:
    return (
        f"    def {word}({', '.join(['self', *parameters])}) -> StepSeen:\n"
        f"{_docstring(says)}\n"
        f"        return self._do({kind}({', '.join(given)}))\n"
    )


def _docstring(says: str) -> str:
    line = f'        """{says}"""'
    if len(line) <= 110:
        return line
    lines = textwrap.wrap(says, 95)
    return "\n".join(f"        {part}" for part in (f'"""{lines[0]}', *lines[1:], '"""'))


def _says(kind: type[Call]) -> str:
    first = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
    return first.split(". ")[0].removesuffix(".").replace(":class:`Mmap`", "``mmap``") + "."


def _imports(methods: str) -> Iterator[str]:
    words = set("".join(letter if letter.isalnum() else " " for letter in methods).split()) | {"Call"}
    for module in (device_ops, ops, walk_ops):
        own = [
            name
            for name in sorted(vars(module))
            if name in words and _home(module, name) and name not in ("Span",)
        ]
        yield f"from {module.__name__} import ({', '.join(own)})"


# Where a name is defined, not where it is imported.
def _home(module: Any, name: str) -> bool:
    tree = inspect.getsource(module)
    return f"\nclass {name}(" in tree or f"\n{name} = " in tree


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(drawn(), encoding="utf-8")
    else:
        print(drawn(), end="")
