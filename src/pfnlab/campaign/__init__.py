"""Campaigns: the work in a file is split into shards, which run in processes and fill a store."""
