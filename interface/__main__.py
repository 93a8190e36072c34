"""`python -m colorrt`: the command line, where the script `colorrt` is not on the path."""

from colorrt.cli import main

if __name__ == "__main__":
    main()
