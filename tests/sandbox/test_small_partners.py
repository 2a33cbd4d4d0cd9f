"""The insurer, the notices and the video provider."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.insurer import Insurer
from sandbox.notices import Notices
from sandbox.video import Video

from .conftest import Serve
from .test_desk import wait_until


@pytest.fixture
def insurer(serve: Serve) -> httpx.Client:
    return serve(Insurer())


def test_a_message_sent_twice_is_one_message(insurer: httpx.Client) -> None:
    for status in (202, 200):
        answer = insurer.post("/insurer/messages", content=b"sealed", headers={"Idempotency-Key": "m1"})
        assert (answer.status_code, answer.json()["id"]) == (status, "m1")
    assert insurer.get("/_sandbox/insurer/records").json() == {
        "m1": {"times": 2, "sha256": hashlib.sha256(b"sealed").hexdigest(), "bytes": 6}
    }


def test_other_content_under_the_same_id_is_a_conflict(insurer: httpx.Client) -> None:
    insurer.post("/insurer/messages", json={"id": "m1", "sealed": "a"})
    assert insurer.post("/insurer/messages", json={"id": "m1", "sealed": "b"}).status_code == 409


def test_a_message_without_an_id_is_known_by_its_digest(insurer: httpx.Client) -> None:
    insurer.post("/insurer/messages", content=b"sealed")
    assert list(insurer.get("/_sandbox/insurer/records").json()) == [hashlib.sha256(b"sealed").hexdigest()]


def test_an_empty_message_is_refused(insurer: httpx.Client) -> None:
    assert insurer.post("/insurer/messages").status_code == 400
    assert insurer.get("/insurer/messages").status_code == 405


def test_a_notice_is_kept(serve: Serve) -> None:
    channel = serve(Notices())
    notice = {"version": "1.0", "title": "elation: refused", "message": "2 charts wait", "type": "warning"}
    assert channel.post("/notices/", json=notice).status_code == 200
    assert channel.post("/notices/", content=b"hello").status_code == 400
    assert channel.post("/notices/", json=[]).status_code == 400
    assert channel.get("/_sandbox/notices/records").json() == [
        {"type": "warning", "title": "elation: refused", "message": "2 charts wait"}
    ]


@pytest.fixture
def video(serve: Serve) -> httpx.Client:
    return serve(Video())


def test_a_room_has_an_address_that_nobody_guesses_and_that_opens(video: httpx.Client) -> None:
    rooms = [video.post("/video/rooms", json={}).json() for _ in range(2)]
    assert rooms[0]["url"] != rooms[1]["url"]
    assert len(rooms[0]["id"]) > 30
    assert urlsplit(rooms[0]["url"]).path == f"/video/{rooms[0]['id']}"
    assert "room" in video.get(rooms[0]["url"]).text


def test_a_room_asked_for_twice_is_one_room(video: httpx.Client) -> None:
    first = video.post("/video/rooms", json={"reference": "consultation-1"})
    again = video.post("/video/rooms", json={"reference": "consultation-1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_a_room_gets_one_chat(video: httpx.Client) -> None:
    room = video.post("/video/rooms", json={}).json()
    assert room["chat_url"] is None
    chats = {video.post(f"/video/rooms/{room['id']}/chat").json()["chat_url"] for _ in range(2)}
    (chat,) = chats
    assert video.get(chat).status_code == 200


def test_a_room_ends_by_itself_or_when_asked(video: httpx.Client) -> None:
    brief = video.post("/video/rooms", json={"expires_in_seconds": 0.2}).json()
    wait_until(lambda: video.get(brief["url"]).status_code == 410)
    room = video.post("/video/rooms", json={}).json()
    assert video.delete(f"/video/rooms/{room['id']}").status_code == 204
    assert video.get(room["url"]).status_code == 410


def test_an_unknown_room_opens_nothing(video: httpx.Client) -> None:
    assert video.get("/video/rooms/nowhere").status_code == 404
    assert video.get("/video/nowhere").status_code == 404
    assert video.post("/video/rooms", content=b"{").status_code == 400
