"""Real kernels: their images, the virtual machines they run in, steering them, and programs run on them."""
