"""The checker: every state or schedule of a scope, checked for properties."""
