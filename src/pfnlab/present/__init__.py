"""Results in human-readable form: tables, pictures, reports."""
