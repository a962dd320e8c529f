"""`python -m mixtures` is the command line."""

from mixtures.cli import main

if __name__ == "__main__":
    main()
