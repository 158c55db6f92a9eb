"""The memory code of the modelled kernel; files are named after kernel functions and structures."""
