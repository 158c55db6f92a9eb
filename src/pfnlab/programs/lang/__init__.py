"""The program language: its operations, and how programs are read, checked, printed and shortened."""
