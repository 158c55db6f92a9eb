"""The diagnosis of a log, a paste or a machine: what it means and what to do."""
