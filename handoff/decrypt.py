"""The decrypt service: ``python -m handoff.decrypt``. The one process that opens consultation results.

At its start it opens the clinic's key files (``PRIDOK_KEY_FOLDER``) with the passphrase, which it reads from standard
input and nowhere else; the keys are then in its memory only. It serves ``/journal/<id>`` on loopback to people who are
signed in on the pages and treat the patient. It needs the application's database role, no other right.
"""

import getpass
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from handoff import environment
from resources import sealing_keys
from resources.sealing import PrivateKey
from resources.sealing_keys import KeyFileError
from resources.settings import SettingError, Settings
from resources.store.connect import Borrowed
from web import logs, results
from web.staff import House, Site

RECIPIENT = "clinic"


def create_app(settings: Settings, keys: Mapping[str, PrivateKey]) -> ASGIApp:
    """The service with these keys open. Only its own two pages are served, none of the other pages."""
    house = House(settings, Borrowed(settings.database_url, "handoff decrypt"))

    def subject(patient: int) -> int:
        return house.sealer.blind("patient", "pridok", str(patient))

    site = Site(house)
    site.pages = list(results.pages(keys, subject))

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        house.store.close()

    return site.app(lifespan=life)


def _passphrase() -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"passphrase of the key {RECIPIENT}: ")
    return sys.stdin.readline().rstrip("\n")


def main() -> int:
    """Open the keys, serve until stopped."""
    import uvicorn

    try:
        # Where the database is named nothing else is looked for: this process needs the application's role alone.
        found = dict(os.environ) if os.environ.get("HANDOFF_DATABASE_URL") else environment.load()
        settings = Settings(found)
        folder = Path(
            settings.text("PRIDOK_KEY_FOLDER", str(environment.state_of(environment.ROOT) / "keys"))
        )
        keys = sealing_keys.opened(folder, RECIPIENT, _passphrase())
        app = create_app(settings, keys)
    except (KeyFileError, SettingError, *environment.FAULTS) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    logs.set_up()
    number = environment.port(found, "HANDOFF_DECRYPT_PORT")
    uvicorn.run(app, host="127.0.0.1", port=number, log_config=None, access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
