"""Real kernels: images, virtual machines to run them in, steering, and programs run on them."""
