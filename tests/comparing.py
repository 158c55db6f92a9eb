"""The comparisons of the model with kernels that tests report at the end of a run."""

#: Tests record under this name what they compared on a kernel; ``conftest.py`` prints all of it.
COMPARED = "compared"

#: And under this name what differed on a kernel nobody met.
NEWS = "news"
