"""The functions of a real kernel that programs reach, and why others were not: the page of coverage."""
