"""The explorer: a page in the browser where programs are written, run and walked, step by step."""
