"""The picture: programs, states and counts as SVG."""
