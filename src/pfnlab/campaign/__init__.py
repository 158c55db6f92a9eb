"""Campaigns: the work described in a file is split into shards, which run in processes and fill a store."""
