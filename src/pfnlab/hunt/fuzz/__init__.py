"""Random programs on several machines at once. Differences are reproduced, minimized and filed."""
