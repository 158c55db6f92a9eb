"""Campaigns: the work in a file is cut into shards, which run in processes and fill a store."""
