"""The bugs: affected kernels, and the commits that introduced and fixed them, one data file each."""
