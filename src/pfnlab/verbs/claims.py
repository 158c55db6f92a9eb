"""The claims of the discussions behind this project, asked again."""

VERBS = ("list", "show", "by")

EXAMPLES = (
    ("pfnlab claims", "Every claim with its author and its status"),
    ("pfnlab claims show 004.22 --mail", "One of them asked again, as text for a reply"),
)
