"""What is booted: kernels, modules and drivers from the archive, the guest image, and their cache."""
