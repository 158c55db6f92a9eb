"""Recorded runs of real kernels (JSON lines): each is a program again, and the model predicts its answers."""
