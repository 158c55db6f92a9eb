"""The store: results of campaigns with what they came from, in SQLite or PostgreSQL. It knows no kernel."""
