"""The rules of Linux PFN mappings as a program: run them, and compare them with real kernels.

Exit codes: 0 as expected, 1 a discovery (machines differ, an expectation fails, a kernel crashes),
2 misuse, 3 undecided (no rule, a missing tool, a lost guest), 4 a defect of pfnlab.

LEAKED: still reserved, but no longer mapped by any process or driver. Other terms: docs/glossary.md.
"""

VERBS = (
    *("new", "review", "try", "run", "fmt", "fuzz", "check", "bisect", "explore", "replay", "draw", "export"),
    *("import", "report", "schema", "results", "completion", "explain", "inspect"),
    *("kernels", "cache", "policies", "litmus", "bugs", "discussions", "campaign"),
)
