"""The known bugs, one data file each: the affected kernels, and the commits that caused and fixed them."""
