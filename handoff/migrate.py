"""``handoff migrate``: the store's tables, brought up to date by its owner. Safe to repeat, also by two at once."""

import argparse

from handoff import command

EXAMPLE = """\
Needs HANDOFF_OWNER_URL; the services never do. Repeating it does nothing but make partitions that are missing.

example:
  handoff migrate
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Migrate and say where the store stands."""
    from resources.store.migrate import migrate
    from resources.store.partitions import count

    with command.settings() as settings:
        before = count(settings.owner_url)
        revision = migrate(settings.owner_url)
        made = count(settings.owner_url) - before
    print(f"revision {revision}, {made} partitions made")
    return command.DONE
