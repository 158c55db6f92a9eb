"""The MCP server: verbs as tools for other programs, e.g. one that reviews patches."""
