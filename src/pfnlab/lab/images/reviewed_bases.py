"""The cache folder for what packaged models answer as bases of reviews."""

from pathlib import Path

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.lab.images.cache import cache_root, make_cache_folder, trusted

#: Its name in the cache.
BASES = "bases"


def bases_folder() -> Path | None:
    """The folder, made if missing; None if the cache cannot be used, because a review needs none."""
    try:
        folder = cache_root() / BASES
        make_cache_folder(folder)
        return trusted(folder)
    except (OSError, Misuse, Undecided):
        return None
