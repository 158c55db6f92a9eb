"""The program language: what an operation is, and programs read, checked, printed and shortened."""
