"""What tests tell the end of a run about comparisons of the model with kernels."""

#: Tests record under this name what they compared on a kernel; ``conftest.py`` prints all of it.
COMPARED = "compared"

#: And under this name what differed on a kernel nobody met.
NEWS = "news"
