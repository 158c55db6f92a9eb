"""The base of every wing: units, errors, files, workers, results."""
