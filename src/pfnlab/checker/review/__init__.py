"""A review: sequences and schedules that are made, tried on a design and on its base, and compared."""
