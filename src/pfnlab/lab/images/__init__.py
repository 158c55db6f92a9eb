"""Everything a guest boots from: archive kernels, modules, drivers, the guest image, and the cache."""
