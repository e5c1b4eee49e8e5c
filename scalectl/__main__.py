"""`python -m scalectl`."""

from scalectl.cli import main

if __name__ == "__main__":
    main()
