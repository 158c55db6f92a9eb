"""The hunt: many programs on several machines, drawn, enumerated, or all that there are."""
