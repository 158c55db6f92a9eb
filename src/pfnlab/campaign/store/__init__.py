"""The store: results of campaigns with their origins, in SQLite or PostgreSQL, independent of kernels."""
