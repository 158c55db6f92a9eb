"""The price of one more field in every VMA, derived from recorded sizes."""
