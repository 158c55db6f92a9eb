"""The explorer: a page in the browser for writing, running and stepping through programs."""
