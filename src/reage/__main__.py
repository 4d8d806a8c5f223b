"""The command line as ``python -m reage``."""

from reage.cli.main import main

if __name__ == "__main__":
    main(prog_name="reage")
