"""Results as they are printed: tables, JSON and verdicts of runs and searches."""
