"""The functions of a real kernel that programs reach, and the reasons for others: the page of coverage."""
