"""Explicit-state search over any model with three methods; nothing here knows a kernel."""
