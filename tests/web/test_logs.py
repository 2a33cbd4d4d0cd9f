"""The logs: one JSON object a line, and never the text of an exception."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from assets.formats.decode import shape_error
from web.logs import JsonLines, place_of, set_up, task_failed

SECRET = "Quill, 1970-01-31"


def caught(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_exception_is_named_by_type_and_line_of_ours() -> None:
    error = caught(lambda: shape_error(ValueError(SECRET), 5) and int(SECRET))
    assert place_of(error).startswith("ValueError at tests/web/test_logs.py:")
    assert place_of(ValueError(SECRET)) == "ValueError"


def test_a_line_is_json_without_the_text_of_the_exception() -> None:
    error = caught(lambda: int(SECRET))
    record = logging.LogRecord(
        "uvicorn.error",
        logging.ERROR,
        "x",
        1,
        "Failed: %s",
        (error,),
        (type(error), error, error.__traceback__),
    )
    line = JsonLines().format(record)
    assert "Quill" not in line
    assert json.loads(line)["error"].startswith("ValueError at ")
    assert json.loads(line)["text"] == "Failed: %s"


def test_our_own_line_says_what_it_counts() -> None:
    record = logging.LogRecord("handoff.door", logging.INFO, "x", 1, "%d events", (5,), None)
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["logger"], line["text"]) == ("info", "handoff.door", "5 events")


@pytest.mark.parametrize("name", ["httpx", "psycopg", "uvicorn.access", "apprise", "asyncio"])
def test_libraries_that_repeat_values_are_quiet(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    logging.getLogger(name).info("GET /patients?name=%s", SECRET)
    logging.getLogger("handoff.door").info("the door is open")
    said = capsys.readouterr().err
    assert "Quill" not in said
    assert "the door is open" in said


def test_a_task_that_nobody_awaits_fails_without_words(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    task_failed(loop, {"message": SECRET, "exception": ValueError(SECRET)})
    loop.close()
    assert "ValueError" in caplog.text
    assert "Quill" not in caplog.text
