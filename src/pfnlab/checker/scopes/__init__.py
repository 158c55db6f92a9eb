"""The modelled kernel as something to search: its states, its operations in a scope, and its properties."""
