"""Which page is asked next: the marker, gaps, feeds that moved, loop or are somebody else's."""

from collections.abc import Callable

import pytest

from assets.openmrs.events import Entry
from assets.openmrs.feed import Answer, BadPage, NoSuchPage, Page
from assets.openmrs.walk import RECENT, TRIES, Finding, Marker, Position, Stage, Walk, begin, step

Server = Callable[[int], Answer]


def rows(*ids: object) -> tuple[Entry, ...]:
    return tuple(Entry(id=str(each), category="patient", updated=f"t{each}") for each in ids)


def paged(ids: list[int], size: int = 5, broken: frozenset[int] = frozenset()) -> Server:
    """A feed of these entries, ``size`` a page."""
    pages = [ids[at : at + size] for at in range(0, len(ids), size)]

    def answer(asked: int) -> Answer:
        number = len(pages) if asked == RECENT else asked
        if number in broken:
            return BadPage("500")
        if number == 0:
            return Page(number=0, has_next=False, entries=()) if asked == RECENT else NoSuchPage()
        if number > len(pages):
            return NoSuchPage()
        return Page(number=number, has_next=number < len(pages), entries=rows(*pages[number - 1]))

    return answer


def walked(
    server: Server, position: Position | None = None
) -> tuple[Walk, list[str], list[Finding], list[int]]:
    walk = begin(position or Position())
    read: list[str] = []
    found: list[Finding] = []
    asked: list[int] = []
    while (page := walk.asks) is not None:
        asked.append(page)
        taken = step(walk, server(page))
        walk = taken.walk
        read += [entry.id for entry in taken.entries]
        found += taken.findings
        assert len(asked) < 500, "the walk never ends"
    return walk, read, found, asked


def after(ids: list[int]) -> Position:
    return walked(paged(ids))[0].position


def test_a_first_walk_reads_everything_from_the_oldest() -> None:
    walk, read, _, asked = walked(paged(list(range(13))))
    assert read == [str(each) for each in range(13)]
    assert asked == [RECENT, 1, 2, 3, 1]
    assert walk.position == Position(marker=Marker(entry_id="12", page=3), fingerprint="0")


def test_an_empty_feed_leaves_no_marker_and_its_first_entry_is_read_later() -> None:
    walk, read, _, asked = walked(paged([]))
    assert (walk.position, read, asked) == (Position(), [], [RECENT])
    assert walked(paged([7]), walk.position)[1] == ["7"]


def test_nothing_new_costs_one_request() -> None:
    _, read, found, asked = walked(paged(list(range(13))), after(list(range(13))))
    assert (read, found, asked) == ([], [], [3])


@pytest.mark.parametrize("known", range(1, 13))
def test_a_walk_goes_on_from_any_entry(known: int) -> None:
    _, read, found, _ = walked(paged(list(range(13))), after(list(range(known))))
    assert read == [str(each) for each in range(known, 13)]
    assert found == []


def test_a_changed_page_size_moves_the_marker_and_loses_nothing() -> None:
    _, read, found, _ = walked(paged(list(range(14)), size=10), after(list(range(12))))
    assert read == ["12", "13"]
    assert found == [Finding.MARKER_MOVED]


def test_purged_rows_move_the_marker_and_renew_the_fingerprint() -> None:
    walk, read, found, _ = walked(paged(list(range(2, 14))), after(list(range(12))))
    assert read == ["12", "13"]
    assert found == [Finding.MARKER_MOVED, Finding.PURGED]
    assert walk.position.fingerprint == "2"


def test_a_marker_whose_row_is_gone_reads_the_feed_again() -> None:
    _, read, found, _ = walked(paged([*range(11), 12, 13]), after(list(range(12))))
    assert read == [str(each) for each in [*range(11), 12, 13]]
    assert found == [Finding.MARKER_LOST]


@pytest.mark.parametrize("size", [5, 20])
def test_another_server_under_the_address_stops_the_feed(size: int) -> None:
    before = after(list(range(12)))
    walk, read, found, _ = walked(paged(list(range(100, 120)), size=size), before)
    assert walk.stage is Stage.STOPPED
    assert (read, found) == ([], [Finding.REBUILT])
    assert walk.position.marker == before.marker


def test_an_emptied_feed_stops_too() -> None:
    assert walked(paged([]), after(list(range(12))))[0].stage is Stage.STOPPED


def test_a_page_that_always_fails_becomes_a_gap_between_its_neighbours_times() -> None:
    walk = begin(Position())
    gaps = []
    server = paged(list(range(15)), broken=frozenset({2}))
    read: list[str] = []
    while (page := walk.asks) is not None:
        taken = step(walk, server(page))
        walk, gaps = taken.walk, [*gaps, *taken.gaps]
        read += [entry.id for entry in taken.entries]
    assert [(gap.page, gap.since, gap.until) for gap in gaps] == [(2, "t4", "t10")]
    assert read == [str(each) for each in [*range(5), *range(10, 15)]]


def test_a_one_off_500_is_no_gap() -> None:
    server, failed = paged(list(range(10))), []

    def once(page: int) -> Answer:
        if page == 2 and not failed:
            failed.append(page)
            return BadPage("500")
        return server(page)

    assert walked(once)[1:3] == ([str(each) for each in range(10)], [])


def test_the_newest_page_broken_is_waited_for_and_the_marker_stays() -> None:
    walk, read, found, asked = walked(paged(list(range(10)), broken=frozenset({2})))
    assert walk.position.marker == Marker(entry_id="4", page=1)
    assert found == [Finding.STUCK]
    assert len(read) == 5
    assert asked.count(2) == TRIES


def test_a_feed_that_repeats_its_page_under_every_number_is_stopped() -> None:
    walk, read, found, _ = walked(lambda page: Page(number=page or 9, has_next=True, entries=rows(1, 2)))
    assert walk.stage is Stage.STOPPED
    assert (read, found) == (["1", "2"], [Finding.LOOPS])


def test_what_answers_every_page_with_another_one_is_waited_for() -> None:
    walk, read, found, asked = walked(lambda page: Page(number=700, has_next=True, entries=rows(page)))
    assert (read, found) == ([], [Finding.STUCK])
    assert walk.position == Position()
    assert len(asked) < 20


def test_two_bad_pages_in_a_row_are_two_gaps() -> None:
    _, read, found, _ = walked(paged(list(range(20)), broken=frozenset({2, 3})))
    assert read == [str(each) for each in [*range(5), *range(15, 20)]]
    assert found == [Finding.GAP]


def test_a_page_one_that_cannot_be_read_does_not_make_another_server() -> None:
    _, read, found, _ = walked(paged(list(range(14)), size=10, broken=frozenset({1})), after(list(range(12))))
    assert (read, found) == (["12", "13"], [Finding.MARKER_MOVED])


def test_rows_purged_while_pages_are_read_lose_no_entry() -> None:
    ids, asked = list(range(20)), []

    def server(page: int) -> Answer:
        asked.append(page)
        return paged(ids if len(asked) < 4 else ids[3:])(page)

    walk, read, found, _ = walked(server)
    assert set(read) == {str(each) for each in range(20)}
    assert found == [Finding.PURGED]
    assert walk.position.fingerprint == "3"


def test_pages_that_overlap_are_no_loop() -> None:
    def server(page: int) -> Answer:
        number = page or 3
        return Page(number=number, has_next=number < 3, entries=rows(number, number + 1))

    assert walked(server)[1:3] == (["1", "2", "3", "4"], [])


def test_an_empty_page_in_the_middle_is_passed() -> None:
    def server(page: int) -> Answer:
        return Page(
            number=page or 3, has_next=page in (1, 2), entries=() if page == 2 else rows(f"e{page or 3}")
        )

    assert walked(server)[1] == ["e1", "e3"]
