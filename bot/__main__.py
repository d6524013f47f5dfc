"""`python -m bot`."""

import sys


def main() -> None:
    """The command line. Ctrl-C while its parts are still being loaded ends it without a traceback."""
    try:
        from bot.cli.main import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
