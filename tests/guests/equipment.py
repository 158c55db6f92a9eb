"""Equipment of a guest beside the device under test: devices of QEMU's, with the drivers of Linux."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.guests.shell import SCRIPT

#: Files in the guest's top folder: modules in the order they are loaded in, what is done behind them, and the
#: script that follows.
_LOADED, _SETUP, _FOLLOWING = "module-{:02}.ko", "setup.sh", "following.sh"

#: Nothing of the setup gets into the bundle; a bundle of a guest without it would be one of another state.
_ALL = f"""sh -e /{_SETUP} >/dev/null 2>&1 </dev/null || {{ echo "the setup of the guest failed"; exit 90; }}
exec sh /{_FOLLOWING}
"""


@dataclass(frozen=True)
class Equipment:
    """
    Devices and what is done with them.

    :param devices: each as QEMU's ``-device`` takes it, as ``bochs-display``
    :param modules: the modules to load, in order (:func:`tests.guests.plain_kernels.plain_modules`)
    :param setup: commands of a shell that follow, each of which has to succeed; they end before a bundle is
        taken. A process that shall stay is ``/init --map FILE OFFSET LENGTH &``
    :param ram_mib: RAM of the guest in MiB, what its kernel needs when None
    :param parameters: more words of the kernel's command line
    """

    devices: tuple[str, ...] = ()
    modules: tuple[Path, ...] = ()
    setup: str = ""
    ram_mib: int | None = None
    parameters: tuple[str, ...] = ()

    @contextmanager
    def files(self, script: Path) -> Iterator[dict[str, Path]]:
        """The files a guest needs for this and then *script*, by their names in its top folder."""
        if not (self.modules or self.setup):
            yield {SCRIPT: script}
            return
        modules = {_LOADED.format(number): module for number, module in enumerate(self.modules)}
        with tempfile.TemporaryDirectory() as folder:
            first, setup = Path(folder) / SCRIPT, Path(folder) / _SETUP
            first.write_text(_ALL)
            setup.write_text("\n".join([*(f"insmod /{name}" for name in modules), self.setup, ""]))
            yield {SCRIPT: first, _SETUP: setup, _FOLLOWING: script, **modules}
