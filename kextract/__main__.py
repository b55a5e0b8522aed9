"""The program `kextract`, also as `python -m kextract`."""

from kextract.cli import main

if __name__ == "__main__":
    main()
