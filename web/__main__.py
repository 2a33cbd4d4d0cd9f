"""``python -m web``: the service with its own settings for address and shutdown."""

import uvicorn

from resources.settings import Settings


def main() -> None:
    """Serve until told to stop; what is being stored then is finished and answered."""
    settings = Settings.read()
    uvicorn.run(
        "web.app:create_app",
        factory=True,
        host=settings.text("HANDOFF_WEB_HOST", "127.0.0.1"),
        port=settings.whole("HANDOFF_WEB_PORT", 8080),
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
