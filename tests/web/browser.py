"""A browser without scripts: follows forms as they stand on the page, with the tokens they hold."""

import html
import re
from dataclasses import dataclass, field

import httpx

from resources import passwords
from resources.store import staff
from resources.store.connect import connect
from resources.store.operators import Who
from resources.store.staff import Role
from tests.conftest import Database

PASSWORD = "a quiet night to you"
KEPT = passwords.hashed(PASSWORD)
WHO = Who("test", "a test")


def account(database: Database, name: str, role: Role) -> int:
    """An account with the password of the tests."""
    with connect(database.cluster.owner_url) as owner:
        return staff.add(owner, name, role, KEPT, WHO)


def accounts(database: Database) -> None:
    """One account a role, named like it."""
    for role in Role:
        account(database, role, role)


@dataclass
class Browser:
    """One person at one window; cookies of their own."""

    http: httpx.Client
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page; redirects are not followed."""
        return self._ask("GET", path, headers=headers)

    def post(
        self, path: str, *, page: str = "", headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Send a form; with ``page`` the token is taken from there as a browser would."""
        if page:
            fields = {"csrf": self.token(page), **fields}
        return self._ask("POST", path, data=fields, headers=headers or {})

    def token(self, page: str) -> str:
        """What the forms of a page hold."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(page).text)
        assert found, "the page has no form"
        return html.unescape(found[1])

    def sign_in(self, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        """As a person does."""
        return self.post("/sign-in", page="/sign-in", name=name, password=password, **fields)

    def _ask(self, method: str, path: str, **rest: object) -> httpx.Response:
        request = self.http.build_request(method, path, **rest)  # type: ignore[arg-type]
        request.headers["accept"] = "text/html"
        request.headers.pop("cookie", None)
        self.cookies.set_cookie_header(request)
        answer = self.http.send(request, follow_redirects=False)
        self.cookies.extract_cookies(answer)
        self.http.cookies.clear()
        return answer


def as_(http: httpx.Client, name: str) -> Browser:
    """Somebody who has signed in."""
    browser = Browser(http)
    assert browser.sign_in(name).status_code == 303
    return browser
