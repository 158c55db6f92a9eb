"""Long work from a file, in shards: it may be killed at any time, and goes on where it was."""

VERBS = ("new", "check", "run", "resume", "status", "stop", "results", "report")

EXAMPLES = (
    ("pfnlab campaign new nightly.toml", "A file to begin with"),
    ("pfnlab campaign run nightly.toml --store nightly.db", "All of it, on all processors"),
)
