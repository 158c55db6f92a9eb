"""The small programs that come with pfnlab, by name."""

VERBS = ("list", "show", "copy")

EXAMPLES = (
    ("pfnlab litmus", "Every program that comes with pfnlab, with its question"),
    ("pfnlab litmus show munmap-middle", "The text of one"),
)
