"""The memory core of the modelled kernel; files are named as the kernel's functions and structures."""
