"""All files with which guests boot: the archive's kernels, modules, drivers, the guest image, the cache."""
