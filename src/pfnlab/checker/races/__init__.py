"""Races: operations that run side by side, in every order of their kernel functions. A memoised search."""
