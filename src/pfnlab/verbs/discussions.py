"""The discussions behind this project: threads with their posted versions, and claims, asked again."""

VERBS = ("list", "show", "by")

EXAMPLES = (
    ("pfnlab discussions", "Every thread with its versions and defects, and the five with claims"),
    ("pfnlab discussions show T2", "A thread: each version, its design as a policy, what is wrong with it"),
    ("pfnlab discussions show 004.22 --mail", "A claim asked again, as text for a reply"),
)
