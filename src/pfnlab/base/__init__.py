"""The base of every part of pfnlab: units, errors, files, workers, results."""
