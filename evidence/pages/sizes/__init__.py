"""The price of one more field in every VMA, derived from the sizes that were read."""
