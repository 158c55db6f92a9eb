"""The competing ideas the model can run."""

VERBS = ("list", "matrix", "show")

EXAMPLES = (
    ("pfnlab policies", "Every policy by seam, and the kernel profiles"),
    ("pfnlab policies show vm_pat", "The source of one"),
)
