"""The cluster: searches and shards on a dask scheduler's workers, with the same results as on one host."""
