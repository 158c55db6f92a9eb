"""All files a guest boots with: kernels, modules and drivers of the archive, the guest image, the cache."""
