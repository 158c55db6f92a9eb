"""The known bugs, which kernels have them, and programs that show them."""

VERBS = ("list", "show", "affects", "run")

EXAMPLES = (
    ("pfnlab bugs", "Every bug with its kind, its title and its dates"),
    ("pfnlab bugs affects 6.1.20", "Those that a kernel has, with what mends them"),
)
