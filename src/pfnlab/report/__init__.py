"""What is printed: tables, pages, JSON and explanations of runs and searches."""
