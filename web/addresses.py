"""Where people reach us, as links in mails and between the pages and the decrypt service say it."""

from resources.settings import Settings


def pages_at(settings: Settings) -> str:
    """The pages, of staff and of patients."""
    here = f"http://127.0.0.1:{settings.text('HANDOFF_WEB_PORT', '8080')}"
    return settings.text("PRIDOK_PUBLIC_URL", here).rstrip("/")


def results_at(settings: Settings) -> str:
    """The decrypt service: under the pages' own address where they have one, for the proxy tells them apart by path."""
    here = f"http://127.0.0.1:{settings.text('HANDOFF_DECRYPT_PORT', '8091')}"
    public = settings.text("PRIDOK_PUBLIC_URL", here)
    return settings.text("PRIDOK_JOURNAL_URL", public).rstrip("/")
