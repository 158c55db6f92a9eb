"""A review: generated sequences and schedules, tried on a design and on its base, and compared."""
