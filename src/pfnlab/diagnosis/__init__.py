"""The diagnosis: a log, a paste, a machine, what it means and what to do."""
