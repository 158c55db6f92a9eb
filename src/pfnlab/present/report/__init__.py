"""Printed results: tables, JSON and verdicts of runs and searches."""
