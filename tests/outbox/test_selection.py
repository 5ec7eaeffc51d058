"""The selection of a batch: which waiting items go together, and which have to wait for others."""

import pytest

from gateway.outbox.batching import MAX_BATCH_BYTES, get_relay_policy
from gateway.outbox.queue import Queue, QueuedItem, Unreadable, find_endpoint
from gateway.outbox.retry import UNLIMITED
from gateway.protocol.catalogue import CATALOGUE
from tests.outbox.queued import BIND, CREATE, DELETE, ORDER, SHOP, UPDATE, claimed, consider, entries, item, unlimited

# What goes together


def test_nothing_is_selected_of_nothing() -> None:
    selection = consider([])
    assert (selection.batch, selection.first_left, selection.unreadable) == (None, None, [])


def test_items_that_change_different_things_go_together_in_the_order_of_their_acceptance() -> None:
    selection = consider([item(1), item(2), item(3)])
    assert entries(selection.batch) == [[1], [2], [3]]
    assert selection.first_left is None


def test_a_batch_has_what_its_items_share_and_an_entry_the_keys_and_the_reference_of_its_item() -> None:
    batch = consider([item(4, "label:1:L", "product:1:7", path=BIND)]).batch
    assert batch is not None
    assert (batch.endpoint, batch.shared) == (CATALOGUE.get("cloud", BIND), SHOP)
    assert (batch.entries[0].keys, batch.entries[0].reference) == (("label:1:L", "product:1:7"), "ref 4")


def test_items_of_another_shop_are_left_for_another_batch() -> None:
    selection = consider([item(1), item(2, shared='{"shop_id":"2"}'), item(3)])
    assert entries(selection.batch) == [[1], [3]]


def test_items_of_another_endpoint_are_left_for_another_batch() -> None:
    selection = consider([item(1, path=CREATE), item(2, path=UPDATE), item(3, path=CREATE)])
    assert entries(selection.batch) == [[1], [3]]


def test_the_first_item_that_is_left_is_remembered() -> None:
    assert consider([item(1, path=CREATE), item(2, path=UPDATE), item(3, path=UPDATE)]).first_left == 2


def test_a_batch_has_no_more_items_than_the_vendor_takes() -> None:
    most = get_relay_policy(CATALOGUE.get("cloud", ORDER)).max_batch_size
    exact = consider(item(number) for number in range(1, most + 1))
    assert (len(entries(exact.batch)), exact.first_left) == (most, None)
    more = consider(item(number) for number in range(1, most + 10))
    assert (len(entries(more.batch)), more.first_left) == (most, most + 1)


def test_a_single_entry_has_all_that_is_merged_with_it_also_behind_others() -> None:
    waiting = [item(1, "product:1:7", path=UPDATE), item(2, "product:1:8", path=UPDATE)]
    selection = consider([*waiting, item(3, "product:1:7", path=UPDATE)], single=True)
    assert (entries(selection.batch), selection.first_left) == ([[1, 3]], 2)


def test_a_call_that_has_no_list_goes_by_itself() -> None:
    selection = consider([item(1, path=BIND), item(2, path=BIND)])
    assert entries(selection.batch) == [[1]]


def test_a_batch_is_no_larger_than_the_vendor_takes() -> None:
    half = MAX_BATCH_BYTES // 2
    assert entries(consider([item(1, size=half), item(2, size=half)]).batch) == [[1], [2]]
    selection = consider([item(1, size=half), item(2, size=MAX_BATCH_BYTES - half + 1)])
    assert entries(selection.batch) == [[1]]


def test_a_batch_ends_at_the_first_item_that_does_not_fit() -> None:
    assert entries(consider([item(1), item(2, size=MAX_BATCH_BYTES), item(3)]).batch) == [[1]]


def test_an_item_that_fits_into_no_call_is_refused_and_holds_up_nobody() -> None:
    selection = consider([item(1, "A", size=MAX_BATCH_BYTES + 1), item(2, "A"), item(3)])
    assert entries(selection.batch) == [[2], [3]]
    [unreadable] = selection.unreadable
    assert unreadable.sequence == 1
    assert "one call holds at most" in unreadable.reason


# Order per key


def test_the_second_item_with_a_key_waits_for_the_first() -> None:
    selection = consider([item(1, "a"), item(2, "a"), item(3, "b")])
    assert entries(selection.batch) == [[1], [3]]


def test_nothing_overtakes_an_item_that_is_left_with_which_it_shares_a_key() -> None:
    selection = consider(
        [
            item(1, "product:1:9", path=UPDATE),
            item(2, "label:1:L", "product:1:7", path=BIND),
            item(3, "product:1:7", path=UPDATE),
            item(4, "product:1:8", path=UPDATE),
        ]
    )
    assert entries(selection.batch) == [[1], [4]]


def test_an_item_that_is_left_also_holds_back_what_has_only_its_other_keys() -> None:
    held = item(1, "label:1:L", "product:1:7", path=BIND)
    selection = consider([held, item(2, "product:1:7", path=UPDATE)], limit=lambda sequence: sequence - 1)
    assert selection.batch is None
    assert selection.first_left == 1


def test_an_item_waits_while_one_with_the_same_key_is_in_flight() -> None:
    queue = Queue()
    claimed(queue, item(1, "a"))
    selection = consider([item(2, "a"), item(3, "b")], queue)
    assert entries(selection.batch) == [[3]]


def test_an_item_waits_while_one_that_changes_the_same_among_others_is_in_flight() -> None:
    queue = Queue()
    claimed(queue, item(1, "label:1:L", "product:1:7", path=BIND))
    assert consider([item(2, "product:1:7", path=UPDATE)], queue).batch is None


def test_items_in_flight_are_passed_over() -> None:
    queue = Queue()
    claimed(queue, item(1))
    selection = consider([item(1), item(2)], queue)
    assert entries(selection.batch) == [[2]]
    assert selection.first_left is None


# Limits after failures


def test_an_item_that_has_to_wait_is_left_and_holds_back_its_key() -> None:
    selection = consider([item(1, "a"), item(2, "a"), item(3, "b")], limit=lambda one: 0 if one == 1 else UNLIMITED)
    assert entries(selection.batch) == [[3]]
    assert selection.first_left == 1


@pytest.mark.parametrize(("limits", "expected"), [
    ([1, 9, 9], [[1]]),
    ([2, 9, 9], [[1], [2]]),
    ([9, 1, 9], [[1]]),
    ([9, 2, 9], [[1], [2]]),
    ([9, 9, 3, 9], [[1], [2], [3]]),
])  # fmt: skip
def test_a_batch_is_as_large_as_each_of_its_items_allows(limits: list[int], expected: list[list[int]]) -> None:
    items = [item(number) for number in range(1, len(limits) + 1)]
    assert entries(consider(items, limit=lambda sequence: limits[sequence - 1]).batch) == expected


# Merging


def test_updates_of_one_product_go_as_one_entry() -> None:
    items = [item(1, "a", path=UPDATE), item(2, "b", path=UPDATE), item(3, "a", path=UPDATE)]
    selection = consider(items)
    assert entries(selection.batch) == [[1, 3], [2]]
    assert selection.first_left is None


def test_nothing_is_merged_across_a_barrier() -> None:
    items = [
        item(1, "a", path=UPDATE),
        item(2, "a", path=DELETE),
        item(3, "a", path=UPDATE),
        item(4, "b", path=UPDATE),
    ]
    selection = consider(items)
    assert entries(selection.batch) == [[1], [4]]


def test_an_item_that_is_a_barrier_itself_is_not_merged() -> None:
    redirected = item(2, "a", path=UPDATE)._replace(barrier=1)
    assert entries(consider([item(1, "a", path=UPDATE), redirected]).batch) == [[1]]


@pytest.mark.parametrize("limits", [[1, 9], [9, 1]])
def test_items_that_have_to_go_alone_are_not_merged(limits: list[int]) -> None:
    items = [item(1, "a", path=UPDATE), item(2, "a", path=UPDATE)]
    assert entries(consider(items, limit=lambda sequence: limits[sequence - 1]).batch) == [[1]]


def test_items_are_merged_in_a_batch_of_at_most_two_entries() -> None:
    items = [item(1, "a", path=UPDATE), item(2, "a", path=UPDATE)]
    assert entries(consider(items, limit=lambda _: 2).batch) == [[1, 2]]


def test_items_that_are_merged_count_as_one() -> None:
    most = get_relay_policy(CATALOGUE.get("cloud", UPDATE)).max_batch_size
    items = [item(number, f"key {number % most}", path=UPDATE) for number in range(1, 2 * most + 1)]
    assert [len(one) for one in entries(consider(items).batch)] == [2] * most


def test_items_that_are_merged_are_no_larger_together_than_the_vendor_takes() -> None:
    half = MAX_BATCH_BYTES // 2
    fitting = [item(number, "a", path=UPDATE, size=half) for number in (1, 2)]
    assert entries(consider(fitting).batch) == [[1, 2]]
    selection = consider([*fitting, item(3, "a", path=UPDATE, size=2), item(4, "b", path=UPDATE, size=0)])
    assert entries(selection.batch) == [[1, 2]]
    assert selection.first_left == 3


def test_the_size_of_a_batch_counts_what_was_merged() -> None:
    half = MAX_BATCH_BYTES // 2
    items = [item(1, "a", path=UPDATE, size=half), item(2, "a", path=UPDATE, size=half), item(3, path=UPDATE, size=2)]
    assert entries(consider(items).batch) == [[1, 2]]


# Items that are not sent


def test_an_item_that_has_expired_is_passed_over() -> None:
    selection = Queue().select(unlimited, uptime_s=60.0)
    assert selection.consider(item(1, "a", expires_s=59.0))
    assert selection.consider(item(2, "a", expires_s=60.0))
    assert selection.consider(item(3, "a", expires_s=61.0))
    assert entries(selection.batch) == [[3]]
    assert selection.first_left is None


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (item(1, path="order/updateOld"), "this version of the gateway knows no endpoint 'order/updateOld'"),
        (item(1, path="product/getList"), "product/getList is never queued"),
        (item(1)._replace(other_keys="[1]"), "not a list of texts"),
        (item(1)._replace(other_keys='["product:1:7",1]'), "not a list of texts"),
        (item(1)._replace(other_keys='{"a":1}'), "not a list of texts"),
    ],
)
def test_an_item_that_can_never_be_sent_is_set_aside_with_the_reason(damaged: QueuedItem, reason: str) -> None:
    selection = consider([damaged, item(2)])
    assert selection.unreadable == [Unreadable(1, f"it cannot be sent: {reason}")]
    assert entries(selection.batch) == [[2]]
    assert selection.first_left is None


def test_keys_that_do_not_parse_are_a_reason() -> None:
    [unreadable] = consider([item(1)._replace(other_keys="[broken")]).unreadable
    assert unreadable.reason.startswith("it cannot be sent: ")


def test_an_endpoint_of_queued_calls_is_found_by_its_path() -> None:
    assert find_endpoint(ORDER) is CATALOGUE.get("cloud", ORDER)


# How far it looks


def test_a_batch_is_sent_before_all_of_a_long_queue_has_been_looked_at() -> None:
    selection = consider([item(1, path=CREATE)])
    looked_at = next(number for number in range(2, 1_000_000) if not selection.consider(item(number, path=UPDATE)))
    assert looked_at == 10_000
    assert entries(selection.batch) == [[1]]


def test_items_that_all_have_to_wait_are_looked_at_to_the_end() -> None:
    selection = consider((item(number) for number in range(1, 12_000)), limit=lambda sequence: int(sequence > 11_000))
    assert entries(selection.batch) == [[11_001]]


def test_the_first_page_is_short_since_most_batches_are() -> None:
    assert consider([]).page_size == 16


def test_a_page_is_about_what_still_fits() -> None:
    quarter = MAX_BATCH_BYTES // 4
    selection = consider([item(1, size=quarter)])
    assert selection.page_size == 3 + consider([]).page_size
    assert selection.consider(item(2, size=quarter))
    assert selection.page_size == 2 + consider([]).page_size


def test_a_page_has_at_most_2000_items() -> None:
    assert consider([item(1, size=1)]).page_size == 2000
    assert consider([item(1, size=0)]).page_size == 2000
    assert consider([item(1)], limit=lambda _: 0).page_size == 2000
