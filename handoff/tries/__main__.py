"""``python -m handoff.tries LANE FILE``: ``handoff try`` alone, for whoever writes a mapping."""

import argparse
import sys

from handoff.tries import register


def main() -> int:
    """Parse the command line and try."""
    parser = argparse.ArgumentParser(prog="python -m handoff.tries")
    register(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["try", *sys.argv[1:]])
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
