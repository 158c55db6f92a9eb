"""Live inspections inside a guest: Python and pfnlab come along, and run behind the script of the bundle."""

from __future__ import annotations

import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import shell_line, shell_word
from tests.guests.interpreter import interpreter, module_paths, write_interpreter
from tests.guests.shell import SCRIPT
from tests.guests.views_in_guest import DEEP_VIEW, MARK

#: Files in the guest's top folder: the archive of Python, and the script of the bundle.
_ARCHIVE, _BUNDLE = "python.tar", "bundle.sh"

#: What Python runs there.
_VIEWS = Path(__file__).with_name("views_in_guest.py")

#: RAM of a guest with Python: so many times the archive, and MiB. The archive comes with the boot. Files may
#: take half of what that leaves: the archive again, and all that is in it, each file in pages of its own.
_RAM_OF_ARCHIVE, _RAM_MIB = 6, 128

#: What reads the kernel's memory.
_LENS = ("drgn",)

#: The bundle comes first: Python's own processes are no part of it.
_ALL = """sh /{bundle} || exit $?
umask 022
cd / && tar xf /{archive} && rm /{archive} || exit 91
chmod a+rx {folders} || exit 92
mkdir -p /tmp && chmod 1777 /tmp
exec env PYTHONPATH={modules} PYTHONDONTWRITEBYTECODE=1 {python} /{views} {names}
"""


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """
    One live inspection inside a guest.

    :param name: of the view: ``root``, ``nobody``, ``deep``
    :param code: the exit code of the command
    :param output: its output, the JSON form of a result
    :param errors: its error output
    :param seconds: the time it took there
    """

    name: str
    code: int
    output: str
    errors: str
    seconds: float


def ram_for(files: Mapping[str, Path]) -> int:
    """RAM in MiB that a guest needs for the files of :func:`live_files`; 0 for none."""
    archive = files.get(_ARCHIVE)
    if archive is None:
        return 0
    return _RAM_OF_ARCHIVE * -(-archive.stat().st_size >> 20) + _RAM_MIB


@contextmanager
def live_files(script: Path, views: Sequence[str]) -> Iterator[tuple[Path, dict[str, Path]]]:
    """
    The script that runs *script* and then the views, and the files a guest needs for it by their names.

    :param views: the names of the views
    :raises Undecided: Python cannot be packed
    """
    more = _LENS if DEEP_VIEW in views else ()
    with tempfile.TemporaryDirectory() as folder:
        archive, first = Path(folder) / _ARCHIVE, Path(folder) / SCRIPT
        write_interpreter(archive, more)
        places = [Path(sysconfig.get_path("stdlib")), interpreter(), *module_paths(more)]
        # A guest's own /root is for nobody else.
        folders = sorted({str(folder) for place in places for folder in place.parents})
        words = {
            "folders": shell_line(folders),
            "bundle": _BUNDLE,
            "archive": _ARCHIVE,
            "modules": shell_word(":".join(map(str, module_paths(more)))),
            "python": shell_word(interpreter()),
            "views": _VIEWS.name,
            "names": shell_line(views),
        }
        first.write_text(_ALL.format_map(words))
        yield first, {_ARCHIVE: archive, _BUNDLE: script, _VIEWS.name: _VIEWS}


def split_views(text: str) -> tuple[str, dict[str, LiveView]]:
    """The bundle and the views, by their names, of what such a script wrote.

    :raises Undecided: the views are not there, or are no lines of JSON
    """
    bundle, mark, rest = text.partition(f"\n{MARK}\n")
    try:
        found = [msgspec.json.decode(line, type=LiveView) for line in rest.splitlines() if line]
    except msgspec.DecodeError as trouble:
        raise Undecided(f"a live view is no line of JSON: {trouble}") from None
    if not mark or not found:
        raise Undecided(f"Python did not run in the guest: {text[-200:]!r}")
    return bundle, {view.name: view for view in found}
