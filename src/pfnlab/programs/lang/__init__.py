"""The program language: operations, and the reading, checking, printing and shortening of programs."""
