"""What differs from kernel to kernel: profiles of switches, and the seams (tracker, flush, walker)."""
