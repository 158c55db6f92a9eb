"""``python -m pfnlab``: the command line."""

from pfnlab.cli import main

if __name__ == "__main__":
    main()
