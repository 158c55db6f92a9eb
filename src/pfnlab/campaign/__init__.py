"""Campaigns: a file says what to run; it is cut into shards, which run in processes and fill a store."""
