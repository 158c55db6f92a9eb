"""The memory core of the modelled kernel; files are named after the kernel's functions and structures."""
