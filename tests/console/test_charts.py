from decimal import Decimal

import pytest

from gateway.console import charts
from gateway.console.price_chart import draw_prices
from gateway.products.product_table import PriceEntry


def test_columns_are_stacked_to_scale() -> None:
    chart = charts.stack(
        [{"label": "09:00", "a": 3, "b": 1}, {"label": "10:00", "a": 8, "b": None}], ["a", "b"], "label"
    )
    assert [line.text for line in chart.lines] == ["0", "2", "4", "6", "8"]
    first, second, third = chart.bars
    room = chart.lines[0].position - chart.lines[4].position
    assert first.height == pytest.approx(room * 3 / 8, abs=0.1)
    assert second.y + second.height == pytest.approx(first.y, abs=0.1)
    assert third.height == pytest.approx(room, abs=0.1)
    assert [label.text for label in chart.columns] == ["09:00", "10:00"]


@pytest.mark.parametrize(
    ("highest", "step"), [(0, 1), (4, 1), (5, 2), (8, 2), (9, 5), (20, 5), (21, 10), (401, 200), (10**15, 5 * 10**14)]
)
def test_the_axis_has_round_numbers(highest: int, step: int) -> None:
    chart = charts.stack([{"label": "", "a": highest}], ["a"], "label")
    assert chart.lines[1].text == str(step)


def test_odd_rows_are_drawn_as_nothing() -> None:
    chart = charts.stack([{"a": -1}, {"a": "7"}, {"a": True}, {}], ["a"], "label")
    assert [bar.height for bar in chart.bars if bar.height > 60] == []
    assert charts.stack([], ["a"], "label").bars == []
    assert len(charts.stack([{"a": 1}] * 5000, ["a"], "label").bars) == 400


def test_a_price_holds_until_the_next_one() -> None:
    entries = [
        PriceEntry("promote_price", None, 150),
        PriceEntry("promote_price", Decimal(2), 100),
        PriceEntry("price", Decimal(4), 100),
        PriceEntry("price", Decimal(3), 0),
    ]
    chart = draw_prices(entries, now=200)
    assert chart is not None
    assert chart.paths == {"price": "M64.0 94.0H268.0V12.0H472.0", "promote_price": "M268.0 176.0H370.0"}
    assert [line.text for line in chart.lines] == ["2.00", "2.50", "3.00", "3.50", "4.00"]


def test_a_price_that_never_changed_is_no_chart() -> None:
    assert draw_prices([], now=9) is None
    assert draw_prices([PriceEntry("price", Decimal(3), 7), PriceEntry("member_price", Decimal(3), 7)], now=9) is None
