"""``python -m deepnrc``."""

from deepnrc.cli.app import main

if __name__ == "__main__":
    main()
