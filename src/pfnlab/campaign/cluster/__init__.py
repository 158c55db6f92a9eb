"""The cluster: searches and shards on the workers of a dask scheduler, with the results of a single host."""
