"""The modelled kernel, its designs, and the bugs of each version."""
