"""Judging: a run held against properties, step by step, whatever another machine did."""
