"""The modelled kernel: its memory code, its designs, and the bugs of each version."""
