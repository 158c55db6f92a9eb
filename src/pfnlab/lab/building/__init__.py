"""Kernels built from source: a tree or an archive package, patches, a configuration, and the build."""
