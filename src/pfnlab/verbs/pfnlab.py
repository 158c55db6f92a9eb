"""The rules of Linux PFN mappings as a program: run them, and compare them with real kernels.

Exit codes: 0 as expected, 1 a discovery (machines differ, an expectation fails, a kernel crashes),
2 misuse, 3 undecided (no rule, a missing tool, a lost guest), 4 a defect of pfnlab.

LEAKED: still reserved, but no longer mapped by any process or driver. `pfnlab help WORD` explains any other
word, bug, property, rule or message.
"""

#: The verbs by heading, in the order of help.
GROUPS = {
    "Everyday commands": ("run", "review", "explain", "inspect", "try", "export"),
    "Ask about the rules": ("help", "check", "explore", "draw", "policies", "bugs", "discussions", "mcp"),
    "Compare kernels": ("kernels", "bisect"),
    "Find differences": ("fuzz", "replay", "import"),
    "Operate long jobs": ("campaign", "report"),
    "Maintain programs": ("litmus", "fmt"),
}

VERBS = tuple(verb for verbs in GROUPS.values() for verb in verbs)
