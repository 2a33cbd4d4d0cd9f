"""Roles, forms and headers, on every route there is."""

import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from resources.settings import Settings
from resources.store.staff import Role
from tests.conftest import Database
from tests.web.browser import Browser, accounts, as_
from web.app import create_app
from web.staff import ADMINISTRATOR, OPERATOR, House, Page, PageRequest, Problem, Response, Site, page, render
from web.staff.roles import OF_LANES
from web.staff.site import PageRoute

#: What answers without a session, each for its reason.
OPEN = {
    "/health",  # whoever watches the service; no count, no name
    "/metrics",  # loopback or a token of its own
    "/static",  # how pages look
    "/sign-in",
    "/visit/{token}",  # the patient's: the link is the proof, and the page names nobody
    "/visit/{token}/review",
}
#: Doors that judge their senders themselves, and see the bearer or session.
DOORS = re.compile(r"/(intake/.*|graphql)")


def routes_of(app: object) -> list[BaseRoute]:
    """Of the whole service."""
    starlette = app._pages.app  # type: ignore[attr-defined]
    assert isinstance(starlette, Starlette)
    return list(starlette.routes)


def concrete(path: str) -> str:
    """A path with something in its places."""
    return re.sub(r"\{(\w+)(:\w+)?\}", "1", path)


@pytest.fixture
def browser(database: Database, client: httpx.Client) -> Browser:
    accounts(database)
    return Browser(client)


def test_every_route_is_a_page_with_roles_or_open_for_a_reason(settings: Settings) -> None:
    found = 0
    for route in routes_of(create_app(settings)):
        if isinstance(route, PageRoute) and route.page.roles:
            found += 1
            continue
        path = getattr(route, "path", str(route))
        assert path in OPEN or DOORS.fullmatch(path), f"{path} has no guard"
    assert found >= 10


def test_the_walk_over_the_routes_would_see_one_without_a_guard(settings: Settings) -> None:
    async def loose(request: object) -> Response:
        return Response("anything")

    app = create_app(settings)
    routes_of(app)
    app._pages.app.router.routes.append(Route("/loose", loose))  # type: ignore[attr-defined]
    unguarded = [
        route
        for route in routes_of(app)
        if not (isinstance(route, PageRoute) and route.page.roles) and getattr(route, "path", "") not in OPEN
    ]
    assert [getattr(route, "path", "") for route in unguarded if not DOORS.fullmatch(route.path)] == [
        "/loose"
    ]  # type: ignore[attr-defined]


def test_no_page_says_anything_without_a_session(settings: Settings, browser: Browser) -> None:
    for route in routes_of(create_app(settings)):
        if not isinstance(route, PageRoute) or route.page.roles is None:
            continue
        path = concrete(route.path)
        if route.page.method == "GET":
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in"), path
        else:
            assert browser.post(path, csrf="x", reason="x", act="hold").status_code == 401, path


def test_every_page_opens_for_its_roles_and_no_other(settings: Settings, browser: Browser) -> None:
    people = {role: as_(browser.http, role) for role in Role}
    for route in routes_of(create_app(settings)):
        if not isinstance(route, PageRoute) or not route.page.roles:
            continue
        for role, person in people.items():
            path, allowed = concrete(route.path), role in route.page.roles
            if route.page.method == "GET":
                refused = person.get(path).status_code == 403
            else:  # the role is judged before the form's token
                refused = "not for your role" in person.post(path, csrf="x").text
            assert refused is not allowed, f"{role} at {route.page.method} {path}"


def test_every_form_without_its_token_is_refused(settings: Settings, browser: Browser) -> None:
    people = {role: as_(browser.http, role) for role in Role}
    seen = 0
    for route in routes_of(create_app(settings)):
        if not isinstance(route, PageRoute) or not route.page.roles or route.page.method != "POST":
            continue
        person = people[sorted(route.page.roles)[0]]
        kind = {"content-type": "multipart/form-data; boundary=b"} if route.page.upload else {}
        for forged in ({}, {"csrf": "x"}, {"csrf": people[Role.PROVIDER].token("/") + "x"}):
            if kind:
                body = "".join(
                    f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                    for n, v in forged.items()
                )
                request = person.http.build_request(
                    "POST", concrete(route.path), content=body + "--b--\r\n", headers=kind
                )
                person.cookies.set_cookie_header(request)
                answer = person.http.send(request)
            else:
                answer = person.post(concrete(route.path), **forged)
            assert answer.status_code == 403, route.path
        seen += 1
    assert seen >= 5


def test_a_form_with_another_sessions_token_or_from_another_site_is_refused(browser: Browser) -> None:
    one, other = as_(browser.http, "operator"), as_(browser.http, "operator")
    assert (
        one.post("/lanes/elation/act", csrf=other.token("/lanes/elation"), act="hold", reason="x").status_code
        == 403
    )
    token = one.token("/lanes/elation")
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ):
        answer = one.post("/lanes/elation/act", csrf=token, act="hold", reason="x", headers=headers)
        assert answer.status_code == 403
    assert (
        one.post(
            "/lanes/elation/act", csrf=token, act="hold", reason="x", headers={"origin": "null"}
        ).status_code
        == 303
    )


def test_every_answer_keeps_pages_from_frames_caches_and_foreign_scripts(browser: Browser) -> None:
    signed_in = as_(browser.http, "operator")
    for path in ("/", "/messages", "/no-such-page", "/sign-in", "/access", "/static/handoff.css"):
        headers = signed_in.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")


def test_no_template_runs_or_dresses_inline() -> None:
    from web.staff.site import ROOT

    found = list((ROOT / "templates").rglob("*.html"))
    assert len(found) >= 10
    for template in found:
        text = template.read_text()
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", text
        ), template.name
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.S):
            # a form behind a link of its own has no session to prove: the link is the proof
            assert "csrf" in form or 'action="/visit/{{ token }}' in form, template.name


def test_files_beside_the_static_ones_are_not_given_out(browser: Browser) -> None:
    for path in (
        "/static/../templates/layout.html",
        "/static/%2e%2e/templates/layout.html",
        "/static/..%2ftemplates%2flayout.html",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static//etc/passwd",
        "/static/....//....//pyproject.toml",
    ):
        answer = browser.get(path)
        assert answer.status_code in (303, 404), path
        assert "doctype html" not in answer.text.lower() or "There is no such page" in answer.text


def test_a_page_that_is_not_there_says_so_in_the_callers_words(browser: Browser) -> None:
    assert "There is no such page" in browser.get("/orderz").text
    plain = browser.http.get("/orderz", headers={"accept": "application/json"})
    assert plain.json()["title"] == "There is no such page."


def test_a_page_without_roles_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="names the roles"):
        page("/loose", roles=set())


@pytest.fixture
def own_site(database: Database, settings: Settings) -> Iterator[Site]:
    from resources.store.connect import Borrowed

    @page("/broken", roles={OPERATOR})
    def broken(request: PageRequest) -> Response:
        raise RuntimeError("patient Ana Berg 1970-01-31")

    @page("/kind", roles={OPERATOR, ADMINISTRATOR}, nav="Kind")
    async def kind(request: PageRequest) -> Response:
        raise Problem(409, "Somebody else was first.", "Look again.")

    @page("/shown", roles=OF_LANES)
    def shown(request: PageRequest) -> Response:
        return render(request, "problem.html", problem={"heading": "<b>x</b>", "help": "", "status": 200})

    accounts(database)
    store = Borrowed(settings.database_url, "test")
    pages: list[Page] = [broken, kind, shown]
    yield Site(House(settings, store), pages)
    store.close()


def test_what_goes_wrong_in_a_page_is_said_in_plain_words_and_logged_without_its_text(
    own_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.web.serving import serving

    with serving(own_site.app()) as address, httpx.Client(base_url=address, trust_env=False) as http:
        operator = as_(http, "operator")
        broken = operator.get("/broken")
        kind = operator.get("/kind")
        shown = operator.get("/shown")
        start = operator.get("/")
    assert broken.status_code == 500
    assert "Something went wrong on our side" in broken.text
    assert "Ana" not in broken.text + caplog.text
    assert "RuntimeError at tests/web/test_staff_pages.py" in caplog.text
    assert (kind.status_code, "Somebody else was first." in kind.text) == (409, True)
    assert "<b>" not in shown.text
    assert '<a href="/kind">Kind</a>' in start.text
