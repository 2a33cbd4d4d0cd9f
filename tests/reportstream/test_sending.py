"""How ReportStream's words become ours, and how the lane signs in."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assets.drain.settings import Fate
from assets.reportstream import sending
from resources.reportstream_reply import Destination, Reply
from resources.settings import SettingError, Settings


class FarEnd:
    """Knows one submission."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    async def history(self, report_id: str) -> Reply:
        return self.reply


def fate(reply: Reply, *keys: str) -> Fate:
    async def names() -> Sequence[str]:
        return keys

    return asyncio.run(sending.Client(FarEnd(reply)).fate("r", names))


def delivered(items: int | None) -> Reply:
    return Reply(
        report_id="r",
        overall_status="Delivered",
        items=items,
        destinations=(Destination(name="ny-phd.elr", items=items or 0, offered=items or 0, sent=items or 0),),
    )


@pytest.mark.parametrize("items", [3, None])
def test_a_batch_that_is_counted_whole_is_delivered(items: int | None) -> None:
    said = fate(delivered(items), "a", "b", "c")
    assert (said.final, list(said.lost)) == (True, [])


def test_results_reportstream_does_not_count_are_no_silent_loss() -> None:
    said = fate(delivered(2), "a", "b", "c")
    assert [remark.index for remark in said.lost] == [0, 1, 2]
    assert all("1 fewer than the 3" in remark.text for remark in said.lost)
    assert said.tally["lost"] == 3


PEM = (
    ec.generate_private_key(ec.SECP384R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def signs_in(key: str) -> bool:
    settings = Settings({"REPORTSTREAM_URL": "http://127.0.0.1:9", "REPORTSTREAM_PRIVATE_KEY": key})

    async def main() -> bool:
        client = await sending.lane(settings).connect()
        await client.close()
        return True

    return asyncio.run(main())


def test_the_private_key_may_be_the_key_itself_or_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(PEM)
    for key in (PEM, PEM.replace("\n", "\\n"), str(file)):
        assert signs_in(key)


def test_a_key_that_cannot_be_read_is_named_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="REPORTSTREAM_PRIVATE_KEY") as error:
        signs_in(str(tmp_path / "nowhere.pem"))
    assert "nowhere" not in str(error.value)
