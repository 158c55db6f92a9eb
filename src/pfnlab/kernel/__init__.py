"""The modelled kernel, its designs, and what is wrong in which version."""
