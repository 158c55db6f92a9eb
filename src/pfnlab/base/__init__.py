"""The basis for every part of pfnlab: units, errors, files, workers, results."""
