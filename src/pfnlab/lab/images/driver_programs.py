"""The image that guests boot with whose programs need the test driver or vfio-pci."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.errors import Undecided


class DriverImage:
    """An image of one kernel with a driver in it, asked for when the first program needs it.

    :param build: makes it, in a minute perhaps (:func:`pfnlab.lab.images.driver_module.image_with_driver`)
    """

    def __init__(self, build: Callable[[], Path]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._image: Path | None = None
        self._refusal: Undecided | None = None

    def path(self) -> Path:
        """
        The image, or the same refusal at every call.

        :raises Undecided: it cannot be had; the message says why
        """
        with self._lock:
            if self._image is None and self._refusal is None:
                try:
                    self._image = self._build()
                except Undecided as error:
                    self._refusal = error
            if self._refusal is not None:
                raise Undecided(str(self._refusal), self._refusal.kind)
            assert self._image is not None
            return self._image
