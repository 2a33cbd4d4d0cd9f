"""A person of the demo at a browser window: signs in, opens pages, sends their forms. Knows no lane and no store."""

import html
import re
from typing import Any

import httpx

from handoff.supervisor import SupervisorError


class Window:
    """One person at one window; used as a context manager, it is closed at the end."""

    def __init__(self, web: str, name: str, password: str) -> None:
        self._http = httpx.Client(
            base_url=web, timeout=30.0, trust_env=False, headers={"accept": "text/html"}
        )
        self._name = name
        form = {"csrf": hidden(self.page("/sign-in"), "csrf"), "name": name, "password": password}
        answer = self._http.post("/sign-in", data=form)
        if answer.status_code != 303:
            raise SupervisorError(f"the demo's {name} could not sign in ({answer.status_code})")

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def page(self, path: str, **query: str | int) -> str:
        """What a page says."""
        return self._http.get(path, params=query or None).text

    def send(self, path: str, *, files: Any = None, **fields: str) -> str:
        """Send a form; where it leads."""
        answer = self._http.post(path, data=fields, files=files)
        if answer.status_code != 303:
            raise SupervisorError(f"a form of the demo's {self._name} was not taken ({answer.status_code})")
        return answer.headers["location"]


def hidden(page: str, name: str) -> str:
    """What a form of the page holds under this name."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    if found is None:
        raise SupervisorError(f"a page of the demo has no {name}; is the account there?")
    return html.unescape(found[1])
