"""Races: concurrent operations, in every order of their kernel functions, by a memoised search."""
