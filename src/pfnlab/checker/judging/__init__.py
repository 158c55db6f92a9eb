"""Judging: a run checked for properties, step by step, whatever another machine did."""
