"""Set the cache mode of a page protection (S1.5). A pgprot is an int in the 4K leaf layout."""

from pfnlab.kernel.hw.bits import PAGE_CACHE_MASK
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import PatConfig


def pgprot_set_cachemode(p: int, mode: CacheMode, pat: PatConfig) -> int:
    """*p* with its cache bits replaced by those for *mode* (S1.5.4)."""
    return (p & ~PAGE_CACHE_MASK) | pat.cachemode2protval(mode)


def pgprot_noncached(p: int, pat: PatConfig) -> int:
    """*p* with the UC- bits added to its cache bits, in every version (S1.5.1)."""
    return p | pat.cachemode2protval(CacheMode.UC_MINUS)


def pgprot_device(p: int, pat: PatConfig) -> int:
    """The protection that x86 uses for device registers: :func:`pgprot_noncached` (S1.5.2)."""
    return pgprot_noncached(p, pat)


def pgprot_writecombine(p: int, pat: PatConfig, replaces: bool) -> int:
    """*p* with WC requested (S1.5.3).

    :param replaces: replace the cache bits; otherwise the WC bits are added, which turns UC- into UC
    """
    return _write(p, CacheMode.WC, pat, replaces)


def pgprot_writethrough(p: int, pat: PatConfig, replaces: bool) -> int:
    """*p* with WT requested (S1.5.3); *replaces* as in :func:`pgprot_writecombine`."""
    return _write(p, CacheMode.WT, pat, replaces)


def _write(p: int, mode: CacheMode, pat: PatConfig, replaces: bool) -> int:
    return pgprot_set_cachemode(p, mode, pat) if replaces else p | pat.cachemode2protval(mode)
