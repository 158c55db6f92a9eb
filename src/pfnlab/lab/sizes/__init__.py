"""The sizes of a kernel's structures, as its types say them, and the price of one more field."""
