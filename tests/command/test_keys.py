"""Keys from the shell: made, listed without a secret, rotated while everything stays readable."""

import asyncio
import base64
from pathlib import Path

import psycopg

from assets.drain.settings import BatchReceipt, Remark
from resources.errors import Refused
from resources.sealing import PublicKey
from resources.sealing_keys import opened
from resources.settings import Settings
from resources.store import lookup, resealing
from resources.store.connect import connect
from resources.store.known import Known
from resources.store.resealing import SEALED
from resources.store.seal import Keys, Sealer, fingerprint, new_key
from resources.store.values import Message, Receipt
from tests.command.shell import Partner, drain_reportstream, handoff, result
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.store.making import arrival

#: Columns of bytes that nothing seals: blind names, hashes and the chain of the access log.
NOT_SEALED = {
    ("seen", "name"),
    ("known", "name"),
    ("access_log", "chain"),
    ("access_log_end", "chain"),
    ("staff_session", "hash"),
    ("sign_in_try", "account"),
    ("sign_in_try", "address"),
    ("sync_entry", "name"),
    ("sync_name", "name"),
    ("sync_wait", "name"),
    ("pridok_link", "hash"),
    ("pridok_number", "number"),
    # sealed to recipients, not under the ring: `resources.sealing` rewraps them
    ("pridok_number", "sealed"),
    ("pridok_referral", "sealed"),
    ("pridok_result", "sealed"),
}


def filled(database: Database) -> None:
    """A store with a body in every sealed column."""

    def refuse(message: Message) -> Receipt:
        raise Refused("POST /patients: 422", status=422, answer=b'{"detail": "no"}')

    def takes(keys: object) -> BatchReceipt:
        return BatchReceipt(status=201, external_id="r", answer=b"{}", remarks=[Remark(0, "warning", "look")])

    database.receive([result(database, "r")])
    drain_reportstream(database, Partner(send_=takes))
    database.receive([arrival(database.sealer, "a", body=b'{"n": 1}')])
    database.receive([arrival(database.sealer, "a", body=b'{"n": 2}')])
    drain(database, lane(FarEnd(send_=refuse)))


def counted(database: Database, **settings: str) -> dict[str, dict]:
    """The keys by id."""
    ran = handoff(database, "keys", "list", "--json", **settings)
    assert ran.code == 0, ran.err
    return {line["id"]: line for line in ran.lines}


def rotated(database: Database) -> str:
    """The ring that ``rotate`` prints."""
    ran = handoff(database, "keys", "rotate", "--id", "k2")
    assert ran.code == 0
    name, _, ring = ran.out.strip().partition("=")
    assert name == "HANDOFF_KEYS"
    return ring


def test_a_made_key_is_one_that_the_settings_take(database: Database) -> None:
    made = handoff(database, "keys", "make").out.strip()
    indexing = handoff(database, "keys", "make", "--index", "--id", "i9").out.strip()
    ring = Keys.read(made, indexing)
    assert [len(secret) for secret in (*ring.sealing.values(), *ring.indexing.values())] == [32, 32]
    assert list(ring.indexing) == ["i9"]
    assert handoff(database, "keys", "make").out.strip() != made


def test_making_a_key_asks_for_no_database(database: Database) -> None:
    away = "postgresql://handoff_app:x@127.0.0.1:1/handoff"
    assert handoff(database, "keys", "make", HANDOFF_DATABASE_URL=away).code == 0


def test_a_key_is_named_by_plain_letters(database: Database) -> None:
    assert handoff(database, "keys", "make", "--id", "a:b").code == 2
    assert handoff(database, "keys", "make", "--id", "a,b").code == 2


def test_the_list_counts_every_sealed_column_and_shows_no_secret(database: Database) -> None:
    filled(database)
    lines = counted(database)
    assert lines["k1"]["use"] == "seals"
    expected = {"inbox": 2, "outbox": 1, "batch": 1, "conflict": 1, "attempt": 2, "remark": 1}
    assert lines["k1"]["sealed"].items() >= expected.items()
    keys = database.settings.keys
    assert lines["k1"]["fingerprint"] == fingerprint(keys.sealing["k1"])
    assert lines["i1"]["use"] == "finds"
    out = handoff(database, "keys", "list").out
    for secret in (*keys.sealing.values(), *keys.indexing.values()):
        assert base64.b64encode(secret).decode() not in out
    assert fingerprint(keys.sealing["k1"]) in out


def test_a_key_that_sealed_something_and_is_in_no_ring_is_named(database: Database) -> None:
    filled(database)
    ran = handoff(database, "keys", "list", "--json", HANDOFF_KEYS=new_key("k9"))
    assert {line["id"]: line["use"] for line in ran.lines} == {"k9": "seals", "k1": "missing", "i1": "finds"}
    assert "k1 is not in HANDOFF_KEYS" in ran.err


def test_rotation_leaves_everything_readable_and_the_old_key_without_a_body(database: Database) -> None:
    filled(database)
    ring = rotated(database)
    assert [entry.partition(":")[0] for entry in ring.split(",")] == ["k2", "k1"]
    assert ring.split(",")[1] == database.settings.values["HANDOFF_KEYS"]
    ran = handoff(database, "keys", "reseal", "--pause", "0", "--chunk", "1", HANDOFF_KEYS=ring)
    assert (ran.code, ran.err) == (0, "")
    assert "attempt: 2 sealed anew under k2" in ran.out
    lines = counted(database, HANDOFF_KEYS=ring)
    assert set(lines["k1"]["sealed"].values()) == {0}
    assert lines["k2"]["sealed"]["inbox"] == 2
    alone = ring.split(",")[0]
    for message in database.rows("SELECT arrival FROM ended"):
        words = (
            "messages",
            "show",
            message[0],
            "--json",
            "--content",
            "--by",
            "Katie",
            "--reason",
            "a drill",
        )
        shown = handoff(database, *words, HANDOFF_KEYS=alone).line
        assert shown["received"]
        assert shown["sent"]
        assert shown["attempts"][0]["answer"]


def test_what_is_bound_to_a_blind_name_is_sealed_anew_too(database: Database) -> None:
    async def remember(sealer: Sealer) -> list[str | None]:
        known = Known(database.cluster.app_url, sealer, 2)
        for number in range(5):
            if await known.get(f"chart-{number}") is None:
                await known.put(f"chart-{number}", f"patient-{number}")
        found = [await known.get(f"chart-{number}") for number in range(5)]
        await known.close()
        return found

    asyncio.run(remember(database.sealer))
    ring = rotated(database)
    assert (
        "known: 5 sealed anew" in handoff(database, "keys", "reseal", "--chunk", "2", HANDOFF_KEYS=ring).out
    )
    alone = Settings({**database.settings.values, "HANDOFF_KEYS": ring.split(",")[0]}).keys
    assert asyncio.run(remember(Sealer(alone))) == [f"patient-{number}" for number in range(5)]


def test_resealing_goes_on_where_it_was_stopped(database: Database) -> None:
    database.receive(arrival(database.sealer, f"n{number}") for number in range(10))
    ring = rotated(database)
    keys = Settings({**database.settings.values, "HANDOFF_KEYS": ring}).keys
    inbox = SEALED[0]
    with connect(database.cluster.owner_url) as db:
        steps = resealing.reseal(db, Sealer(keys), inbox, "k2", most=4)
        assert next(steps).done == 4
        steps.close()  # the process ends here
        assert resealing.counts(db, inbox) == {"k1": 6, "k2": 4}
        assert [step.done for step in resealing.reseal(db, Sealer(keys), inbox, "k2", most=4)] == [4, 2]
        assert resealing.counts(db, inbox) == {"k2": 10}
    assert handoff(database, "keys", "reseal", HANDOFF_KEYS=ring).out.startswith("inbox: 0 sealed anew")


def test_what_is_sealed_between_two_looks_is_readable_with_the_new_ring(database: Database) -> None:
    ring = rotated(database)
    database.receive([arrival(database.sealer, "sealed by a service that still has the old ring")])
    keys = Settings({**database.settings.values, "HANDOFF_KEYS": ring}).keys
    with database.connect() as db:
        assert lookup.body_of(db, Sealer(keys), database.one("SELECT id FROM inbox")) == b"{}"


def test_a_damaged_body_is_named_and_the_others_are_sealed(database: Database) -> None:
    database.receive(arrival(database.sealer, f"n{number}") for number in range(3))
    damaged = database.one("SELECT min(id) FROM inbox")
    with psycopg.connect(database.cluster.owner_url, autocommit=True, options="-c search_path=handoff") as db:
        db.execute("UPDATE inbox SET body = body || '\\x00' WHERE id = %s", [damaged])
    ran = handoff(database, "keys", "reseal", HANDOFF_KEYS=rotated(database))
    assert ran.code == 1
    assert f"inbox {damaged}: the body is damaged" in ran.err
    assert "inbox: 2 sealed anew" in ran.out


def test_resealing_without_the_old_key_says_which_is_missing(database: Database) -> None:
    database.receive([arrival(database.sealer, "a")])
    ran = handoff(database, "keys", "reseal", HANDOFF_KEYS=new_key("k9"))
    assert ran.code == 1
    assert "'k1' in HANDOFF_KEYS" in ran.err


def test_a_new_key_takes_no_name_of_the_ring(database: Database) -> None:
    assert handoff(database, "keys", "rotate", "--id", "k1").code == 1
    today = handoff(database, "keys", "make").out.partition(":")[0]
    ran = handoff(database, "keys", "rotate", HANDOFF_KEYS=new_key(today))
    assert ran.out.startswith(f"HANDOFF_KEYS={today}-2:")


def test_every_column_of_bytes_is_known_to_be_sealed_or_not(database: Database) -> None:
    found = database.rows(
        """
        SELECT t.relname::text, a.attname::text FROM pg_attribute AS a JOIN pg_class AS t ON t.oid = a.attrelid
         WHERE t.relnamespace = 'handoff'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
           AND a.atttypid = 'bytea'::regtype AND a.attnum > 0 AND NOT a.attisdropped
        """
    )
    known = {(one.table, one.column) for one in SEALED} | NOT_SEALED
    unknown = set(found) - known
    assert not unknown, f"add to resources/store/resealing.py, or to NOT_SEALED here: {unknown}"


def test_a_reader_gets_a_key_file_of_which_only_the_public_half_is_printed(
    database: Database, tmp_path: Path
) -> None:
    words = ("keys", "make", "--recipient", "clinic", "--folder", tmp_path / "keys")
    ran = handoff(database, *words, stdin="correct horse battery\n")
    assert ran.code == 0, ran.err
    public = PublicKey.parse(ran.out)
    assert public.recipient == "clinic"
    assert opened(tmp_path / "keys", "clinic", "correct horse battery").keys() == {public.kid}
    line = handoff(database, "keys", "list", "--folder", tmp_path / "keys", "--json").line
    assert (line["recipient"], line["use"], line["public"]) == ("clinic", "seals", public.text)
    assert (
        handoff(database, "keys", "list", "--folder", tmp_path / "keys")
        .out.splitlines()[1]
        .endswith(public.text)
    )


def test_a_short_passphrase_is_refused_and_makes_nothing(database: Database, tmp_path: Path) -> None:
    words = ("keys", "make", "--recipient", "clinic", "--folder", tmp_path / "keys")
    ran = handoff(database, *words, stdin="short\n")
    assert ran.code == 1
    assert "passphrase" in ran.err
    assert not (tmp_path / "keys").exists()
    assert handoff(database, "keys", "make", "--recipient", "clinic").code == 1
