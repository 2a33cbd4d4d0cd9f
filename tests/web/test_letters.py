"""What patients are mailed, by a real mail server: two mails, no health in them, no marketing, links that die."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from assets.pridok.letters import Purpose
from assets.pridok.practice import LINK_GOOD_FOR, REVIEW_WITHIN, Practice
from assets.pridok.referral import Contact
from assets.pridok.register import Register
from resources.mail import MailServer
from resources.store import visits
from resources.video import Video
from sandbox.mail import Mail
from sandbox.running import sandbox_thread
from sandbox.video import Video as Rooms
from tests.conftest import Database
from tests.pridok.room import FORM, NOTE, PROVIDER, SECRETARY, Room, referral
from tests.web.conftest import Deployed
from web.letters import Letters

LINE = Contact(first_name="Line", last_name="Danser", email="line.danser@example.com")
TREATED = ("link", "thanks")


@dataclass
class Post:
    """The clinic, a video provider, and a mail server whose mails can be read."""

    room: Room
    server: MailServer
    sandbox: httpx.Client

    def through(self, identifier: int) -> None:
        """A consultation from its screening, or from its making, to its end."""
        practice = self.room.practice
        one = next(one for one in self.room.all() if one.id == identifier)
        if one.screened_at is None:
            practice.screen(identifier, SECRETARY)
        practice.pick(identifier, PROVIDER)
        practice.start(identifier, PROVIDER)
        self.room.finishing.finish(identifier, FORM, PROVIDER)

    def sent(self, **purposes: Purpose) -> list[dict[str, str]]:
        """Send what waits; the mails that came."""
        letters = Letters(self.room.clinic, self.server, purposes) if purposes else None
        while (letters or Letters(self.room.clinic, self.server)).send_one(self.server):
            pass
        mails: list[dict[str, str]] = self.sandbox.get("/_sandbox/mail/records").json()
        return mails


@pytest.fixture
def post(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    monkeypatch.setenv("HANDOFF_SANDBOX_SMTP_PORT", "0")
    mail = Mail()
    with ExitStack() as stack:
        url = stack.enter_context(sandbox_thread([Rooms(), mail]))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=20, trust_env=False))
        room = Room(database, Video(f"{url}/video", http), HANDOFF_WEB_PORT=8080)
        stack.callback(room.close)
        assert isinstance(room.practice, Practice)
        yield Post(room, MailServer("127.0.0.1", mail.port, "no-reply@clinic.example"), http)


def token(mail: dict[str, str]) -> str:
    found = re.search(r"/visit/(\S+)", mail["text"])
    assert found
    return found[1]


def test_two_mails_go_out_and_no_word_of_them_is_about_health(post: Post) -> None:
    post.room.take(referral(organisation="Fremtind"))
    post.through(post.room.all()[0].id)
    assert len(post.sent()) == 2
    raw = "\n".join(one["body"] for one in post.sandbox.get("/_sandbox/mail/received").json())
    assert raw.count("/visit/") == 2
    told = "health|doctor|consult|patient|insur|referral|clinic[^.]|provider|fremtind"
    told += "|danser[^@]|line[^.s]|13116900216|R74"
    text = re.sub(r"/visit/\S+", "", raw.replace("line.danser@example.com", ""))
    assert not re.search(told, text, re.IGNORECASE), re.search(told, text, re.IGNORECASE)
    assert NOTE not in raw


@pytest.mark.parametrize("agreed", [True, False])
def test_no_marketing_goes_to_whom_an_insurer_has_referred(post: Post, agreed: bool) -> None:
    room = post.room
    who = Register(room.clinic).admit(SECRETARY, "13116900216", LINE)
    with room.database.connect() as db:
        db.execute("UPDATE pridok_patient SET marketing_allowed = %s WHERE id = %s", [agreed, who])
    post.through(room.practice.create(SECRETARY, people=[who]).id)
    assert len(post.sent(link="appointment", thanks="marketing")) == (2 if agreed else 1)
    room.take(referral())
    post.through(room.all()[-1].id)
    post.sandbox.delete("/_sandbox/mail")
    (mail,) = post.sent(link="appointment", thanks="marketing")
    assert mail["subject"] == "Your appointment begins now"


def test_a_mail_that_does_not_say_what_it_is_for_counts_as_marketing(post: Post) -> None:
    post.room.take(referral())
    post.through(post.room.all()[0].id)
    assert [mail["subject"] for mail in post.sent(link="appointment")] == ["Your appointment begins now"]


def test_a_link_dies_with_time_and_after_the_end_lets_nobody_join(post: Post, deployed: Deployed) -> None:
    room = post.room
    client = deployed(**{name: value for name, value in room.settings.values.items() if name[:6] == "PRIDOK"})
    room.clock.at = room.clock.at.now(room.clock.at.tzinfo)
    for guid in (1, 2):
        room.take(referral(guid))
    first, second = room.all()
    for one in (first, second):
        room.practice.screen(one.id, SECRETARY)
        room.practice.pick(one.id, PROVIDER)
        room.practice.start(one.id, PROVIDER)
    running, ended = (f"/visit/{token(mail)}" for mail in post.sent())
    room.finishing.finish(second.id, FORM, PROVIDER)
    assert "Join" in client.get(running).text
    assert "Join" not in client.get(ended).text
    assert "How was it" in client.get(ended).text
    for path, good_for in ((running, LINK_GOOD_FOR), (ended, REVIEW_WITHIN)):
        with room.clinic.store() as db:
            at = room.clock.at + good_for
            word = path.rpartition("/")[2]
            assert visits.by_token(db, room.clinic.sealer, word, at - timedelta(seconds=1))
            assert visits.by_token(db, room.clinic.sealer, word, at) is None
            db.execute("UPDATE pridok_link SET until = now() WHERE hash = %s", [visits.hash_of(word)])
        assert client.get(path).status_code == 404
        assert client.post(f"{path}/review", data={"stars": "5"}).status_code == 404


def test_the_room_behind_a_link_ends_by_itself(post: Post) -> None:
    made = post.sandbox.post("/video/rooms", json={"reference": "short", "expires_in_seconds": 0}).json()
    assert post.sandbox.get(httpx.URL(made["url"]).path).status_code == 410
