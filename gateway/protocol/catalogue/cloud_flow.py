"""Cloud endpoints `passengerFlow/*`: numbers of customers by time, kind, age and gender (NOTES: Customer flow)."""

from typing import Any, Literal

from gateway.protocol.catalogue.people import AGE_RANGES
from gateway.protocol.catalogue.response_fields import describe_choices, int_field, object_list, string_field
from gateway.protocol.catalogue.shop import SHOP_PARAMETERS, STORE_CODES, cloud_endpoint
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter
from gateway.protocol.period_limit import PeriodLimit
from gateway.protocol.return_codes import cloud_codes

_INTERVAL = tuple(
    Parameter(
        name=name,
        type="string",
        required=True,
        format="date",
        description=f"The {end} day, YYYY-MM-DD. For a single day, both are the same.",
        example="2020-01-01",
    )
    for name, end in (("start_time", "first"), ("end_time", "last"))
)

_AGE = int_field("age_range", describe_choices(AGE_RANGES))
_REGULAR = int_field("regular_count", "Repeat customers.")
_STRANGER = int_field("stranger_count", "New customers.")
_MEMBER = int_field("member_count", "Members.")
_TOTAL = int_field("total_count", "All customers.")
_UNEXPOSED = int_field("unexposed_count", "Customers whose face was not seen; not in every response.")

_BY_GENDER = object_list(
    "count_list",
    "One row for each age range.",
    _AGE,
    int_field("male_count", "Men."),
    int_field("male_regular_count", "Men who are repeat customers."),
    int_field("male_member_count", "Men who are members."),
    int_field("female_count", "Women."),
    int_field("female_regular_count", "Women who are repeat customers."),
    int_field("female_member_count", "Women who are members."),
)


def _trend(time: str) -> Any:
    kinds = (_TOTAL, _REGULAR, _STRANGER, _MEMBER, _UNEXPOSED)
    return object_list("count_list", "One row for each step of time.", string_field("time", time), *kinds)


def _today(number: int, action: str, title: str, **declared: Any) -> Endpoint:
    return _flow(number, f"today/{action}", title, parameters=SHOP_PARAMETERS, **declared)


def _history(
    number: int,
    action: str,
    title: str,
    most: int,
    unit: Literal["hours", "days", "weeks", "months"],
    **declared: Any,
) -> Endpoint:
    limits = (PeriodLimit("start_time", "end_time", most, unit),)
    return _flow(
        number, f"history/{action}", title, parameters=(*SHOP_PARAMETERS, *_INTERVAL), limits=limits, **declared
    )


def _flow(number: int, path: str, title: str, **declared: Any) -> Endpoint:
    return cloud_endpoint(
        path=f"passengerFlow/stat/{path}",
        title=title,
        source=f"Cloud API, 6.3.{number}",
        scope="pos",
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
        **declared,
    )


ENDPOINTS = (
    _today(
        1, "getLatest", "Acquire the Real-Time Customer Flow of the Current Day",
        response_fields=(string_field("count", "All customers so far, as text."), _UNEXPOSED),
    ),
    _today(
        2, "groupByTag", "Acquire the Customer Flow of the Current Day by New and Repeat Customer and Age Range",
        response_fields=object_list("count_list", "One row for each age range.", _AGE, _STRANGER, _REGULAR, _MEMBER),
    ),
    _today(
        3, "groupByGender", "Acquire the Customer Flow of the Current Day by Gender and Age",
        response_fields=_BY_GENDER,
    ),
    _today(
        4, "getTrendByHour", "Acquire the Customer Flow of the Current Day by Hour",
        response_fields=object_list(
            "count_list", "One row for each hour so far.",
            string_field("time", "The hour, YYYY-MM-DD HH:MM."), _TOTAL, _UNEXPOSED,
        ),
    ),
    _history(
        5, "groupByTag", "Acquire the Historical Customer Flow by New and Repeat Customer and Member", 30, "days",
        response_fields=(_TOTAL, _REGULAR, _STRANGER, _MEMBER, _UNEXPOSED),
    ),
    _history(
        6, "groupByGender", "Acquire the Historical Customer Group Data by Age and Gender", 30, "days",
        response_fields=_BY_GENDER,
    ),
    _history(
        7, "getTrendByHour", "Acquire the Historical Customer Flow Trend by Hour", 24, "hours",
        response_fields=_trend("The hour, YYYY-MM-DD H:MM: hours below 10 have one digit."),
    ),
    _history(
        8, "getTrendByDay", "Acquire the Historical Customer Flow Trend by Day", 30, "days",
        response_fields=_trend("The day, YYYY-MM-DD."),
    ),
    _history(
        9, "getTrendByWeek", "Acquire the Historical Customer Flow Trend by Week", 12, "weeks",
        response_fields=_trend("A day of the week, YYYY-MM-DD."), availability="developing",
    ),
    _history(
        10, "getTrendByMonth", "Acquire the Historical Customer Flow Trend by Month", 12, "months",
        response_fields=_trend("The month, YYYY-MM."), availability="developing",
        note="Called developing in the list of endpoints, not where it is described.",
    ),
)  # fmt: skip
