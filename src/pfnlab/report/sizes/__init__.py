"""Sizes of kernel structures: what was read from each series, for ``pfnlab kernels sizes``."""
