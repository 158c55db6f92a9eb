"""Campaigns that are disturbed, for the fault report."""
