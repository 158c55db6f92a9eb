"""The accelerator that guests use: the emulator's own (TCG) or the host's processor (KVM)."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import MissingTool
from pfnlab.lab.images.cache import quiet
from pfnlab.programs.runs.machine import Accel

#: The device that QEMU opens for KVM.
DEVICE = Path("/dev/kvm")

#: Seconds that a guest with KVM has to say hello; it takes about one.
HELLO_LIMIT = 20.0


class Acceleration:
    """The accelerator for one machine's guests, and whether KVM has worked there.

    :param requested: the accelerator that the user requested
    :param say: called once, with the reason, if a different one is used
    :param device: the KVM device; replaced in tests
    """

    def __init__(
        self, requested: Accel = Accel.TCG, say: Callable[[str], None] = quiet, *, device: Path | None = None
    ) -> None:
        self._requested = Accel(requested)
        self._say = say
        self._device = device or DEVICE
        self._lock = threading.Lock()
        self._told_kinds = set[str]()
        self._kvm_works = False
        self._current = Accel.TCG if self._requested is Accel.TCG else Accel.AUTO

    def settle(self) -> None:
        """Find out, once, whether KVM can be used; MissingTool if it was requested but cannot be."""
        with self._lock:
            if self._current is not Accel.AUTO:
                return
            trouble = _kvm_trouble(self._device)
            if trouble and self._requested is Accel.KVM:
                raise MissingTool(f"KVM cannot be used: {trouble}, or leave `--accel kvm` out")
            if trouble:
                self._tell(f"guests run without KVM: {trouble}")
            self._current = Accel.TCG if trouble else Accel.KVM

    def of(self, *, steered: bool) -> Accel:
        """The accelerator for the next guest, KVM or TCG.

        :param steered: whether its programs hold a processor or force a function; such programs have only
            been measured with TCG
        """
        self.settle()
        with self._lock:
            if steered and self._current is Accel.KVM:
                if self._requested is Accel.KVM:
                    self._tell("programs that hold a processor or force a function run without KVM")
                return Accel.TCG
            return self._current

    def still(self, accel: Accel) -> Accel:
        """The accelerator for a guest planned with *accel*: TCG if KVM has failed for another guest."""
        return self._current if accel is Accel.KVM else accel

    def works(self) -> None:
        """Record that a guest with KVM has said hello."""
        self._kvm_works = True

    def falls_back(self, reason: str) -> bool:
        """Give up on KVM for *reason*; return True if the guest that failed to boot should be retried."""
        with self._lock:
            if self._kvm_works:
                return False
            self._current = Accel.TCG
            self._tell(f"guests run without KVM, which does not work here: {reason}")
            return True

    def _tell(self, line: str) -> None:
        # Each kind of message is printed once: the reason from one guest is enough.
        if (kind := line.partition(":")[0]) not in self._told_kinds:
            self._told_kinds.add(kind)
            self._say(line)


def _kvm_trouble(device: Path) -> str:
    # The reason why KVM cannot be used, with a remedy; empty if it can be used.
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return (
            f"no {device}: load the module kvm_intel or kvm_amd, and allow virtualization in the "
            "firmware, or nested in the host of a virtual machine"
        )
    except PermissionError:
        return f"{device} may not be opened: add yourself to the group kvm (usermod -aG kvm $USER)"
    except OSError as trouble:
        return f"{device} cannot be opened ({trouble.strerror}): load the module kvm_intel or kvm_amd"
    return ""
