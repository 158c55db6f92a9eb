"""Disturbed campaigns, for the fault report."""
