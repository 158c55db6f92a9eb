"""The modelled kernel as a search model: its states, its operations in a scope, and its properties."""
