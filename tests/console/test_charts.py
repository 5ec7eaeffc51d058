import pytest

from gateway.console import charts


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
