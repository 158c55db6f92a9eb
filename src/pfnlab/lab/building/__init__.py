"""Kernels from source: a tree or a package of the archive, patches, a configuration, and the build."""
