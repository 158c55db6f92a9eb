"""The known bugs, one data file each: which kernels are affected, and which commits introduced and fixed
them.
"""
