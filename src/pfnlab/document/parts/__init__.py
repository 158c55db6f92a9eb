"""One module a kind of result: what is to be read of it, differences first."""
