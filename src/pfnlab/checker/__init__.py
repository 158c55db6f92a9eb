"""The checker: every state or schedule of a scope, held against properties."""
