"""The queue: which items are in flight, and where it looks for the next ones."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.model import Batch
from gateway.outbox.queue import Queue, QueuedItem
from gateway.outbox.table import MAX_PRIORITY
from tests.outbox.queued import BIND, CREATE, UPDATE, claimed, consider, entries, item, unlimited

# In flight


def test_a_claimed_batch_is_in_flight_until_it_is_released() -> None:
    queue = Queue()
    batch = claimed(queue, item(1, "a", path=UPDATE), item(2, "a", path=UPDATE), item(3, "b", path=UPDATE))
    other = claimed(queue, item(4, "c"))
    assert queue.in_flight == {1, 2, 3, 4}
    queue.release(batch)
    assert queue.in_flight == {4}
    assert entries(consider([item(5, "a"), item(6, "b"), item(7, "c")], queue).batch) == [[5], [6]]
    queue.release(other)
    assert queue.in_flight == set()
    assert entries(consider([item(7, "c")], queue).batch) == [[7]]


# Where to look


def begun_at(*starts: int) -> Queue:
    """Return a queue that begins at these numbers, by priority."""
    queue = Queue()
    queue.begin_selection()
    for priority, start in enumerate(starts):
        queue.note_start(priority, start)
    queue.end_selection()
    return queue


def test_the_queue_begins_with_the_first_item_of_each_priority() -> None:
    assert Queue().starts == [0] * (MAX_PRIORITY + 1)


def test_a_start_that_was_noted_holds_for_its_priority_after_the_selection() -> None:
    queue = begun_at(10, 20, 30)
    queue.begin_selection()
    queue.note_start(1, 25)
    assert queue.starts == [10, 20, 30]
    queue.end_selection()
    assert queue.starts == [10, 25, 30]


def test_items_to_be_revisited_are_looked_at_again() -> None:
    queue = begun_at(10, 20, 30)
    queue.revisit([25, 15])
    assert queue.starts == [10, 15, 15]


def test_revisiting_nothing_changes_nothing() -> None:
    queue = begun_at(10, 20, 30)
    queue.revisit([])
    assert queue.starts == [10, 20, 30]


def test_items_of_a_batch_that_is_released_are_looked_at_again() -> None:
    queue = Queue()
    batch = claimed(queue, item(7), item(8))
    queue.begin_selection()
    queue.note_start(1, 9)
    queue.end_selection()
    assert queue.starts[1] == 9
    queue.release(batch)
    assert queue.starts[1] == 7


def test_a_release_during_a_selection_waits_for_its_end() -> None:
    queue = Queue()
    batch = claimed(queue, item(7, "a"))
    queue.begin_selection()
    queue.release(batch)
    assert queue.in_flight == {7}
    assert consider([item(8, "a")], queue).batch is None
    queue.note_start(1, 9)
    queue.end_selection()
    assert queue.in_flight == set()
    assert queue.starts[1] == 7


def test_a_revisit_during_a_selection_holds_against_what_the_selection_found() -> None:
    queue = begun_at(10, 10, 10)
    queue.begin_selection()
    queue.revisit([5])
    queue.note_start(1, 20)
    queue.revisit([6])
    assert queue.starts == [10, 10, 10]
    queue.end_selection()
    assert queue.starts == [5, 5, 5]


def test_a_selection_that_finds_nothing_keeps_what_is_to_be_revisited() -> None:
    queue = begun_at(10, 20, 30)
    queue.revisit([5])
    queue.begin_selection()
    queue.end_selection()
    assert queue.starts == [5, 5, 5]


def test_what_waited_for_the_end_of_a_selection_is_done_once() -> None:
    queue = Queue()
    batch = claimed(queue, item(7))
    queue.begin_selection()
    queue.release(batch)
    queue.revisit([3])
    queue.end_selection()
    queue.claim(batch)
    queue.begin_selection()
    queue.note_start(1, 9)
    queue.end_selection()
    assert queue.in_flight == {7}
    assert queue.starts[1] == 9


# All of it together


class QueueRun:
    """A queue over a list of waiting items of one priority: what it sends and in which order."""

    def __init__(self, items: Sequence[QueuedItem]) -> None:
        self.queue = Queue()
        self.waiting = {one.sequence: one for one in items}
        self.in_flight: list[Batch] = []
        self.delivered: list[int] = []

    def send(self) -> bool:
        """Claim the next batch, if there is one."""
        self.queue.begin_selection()
        selection = self.queue.select(unlimited, uptime_s=0.0)
        start = self.queue.starts[2]
        for sequence in [one for one in self.waiting if one >= start]:
            start = sequence + 1
            if not selection.consider(self.waiting[sequence]):
                break
        self.queue.note_start(2, start if selection.first_left is None else selection.first_left)
        if selection.batch is not None:
            self.check(selection.batch)
            self.queue.claim(selection.batch)
            self.in_flight.append(selection.batch)
        self.queue.end_selection()
        return selection.batch is not None

    def check(self, batch: Batch) -> None:
        """Nothing may be sent while an older item with one of its keys waits or is under way."""
        for entry in batch.entries:
            for key in entry.keys:
                older = [one.sequence for one in self.waiting.values() if key in one.keys]
                assert older[: len(entry.sequences)] == entry.sequences

    def end(self, *, delivered: bool) -> None:
        """End the oldest call; its items are delivered, or wait again."""
        batch = self.in_flight.pop(0)
        if delivered:
            for sequence in batch.sequences:
                del self.waiting[sequence]
            self.delivered += batch.sequences
        self.queue.release(batch)


@given(
    calls=st.lists(
        st.tuples(st.sampled_from([UPDATE, CREATE, BIND]), st.integers(0, 3), st.integers(0, 3)), max_size=25
    ),
    steps=st.lists(st.sampled_from(["send", "deliver", "fail"]), max_size=60),
)
def test_every_item_is_sent_and_none_overtakes_another_with_the_same_key(
    calls: list[tuple[str, int, int]], steps: list[str]
) -> None:
    items = [
        item(number, f"label {label}", f"product {product}", path=path)
        if path == BIND
        else item(number, f"product {product}", path=path)
        for number, (path, label, product) in enumerate(calls, 1)
    ]
    run = QueueRun(items)
    for step in steps:
        if step == "send":
            run.send()
        elif run.in_flight:
            run.end(delivered=step == "deliver")
    while run.in_flight or run.send():
        run.end(delivered=True)
    assert sorted(run.delivered) == [one.sequence for one in items]
