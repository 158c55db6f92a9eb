"""The bugs: what is wrong in which kernels since when and until which commit, one data file each."""
