import pytest

from gateway.access.pairing import CODE_LENGTH, VALID_S, PairingCodes
from gateway.errors import InvalidRequest, RateLimited
from gateway.protocol.endpoint import Scope
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def codes(clock: ManualClock) -> PairingCodes[Scope]:
    return PairingCodes[Scope](clock)


def test_a_code_is_good_once(codes: PairingCodes[Scope]) -> None:
    made = codes.create("Li's phone", ["installer"])
    assert len(made.code) == CODE_LENGTH
    assert codes.exchange(made.code, "192.168.1.7") == made
    with pytest.raises(InvalidRequest, match="make a new one"):
        codes.exchange(made.code, "192.168.1.7")


def test_people_type_codes_as_they_like(codes: PairingCodes[Scope]) -> None:
    code = codes.create("phone", ["pos"]).code
    assert codes.exchange(f" {code[:4].lower()}-{code[4:]} ", "192.168.1.7").name == "phone"


def test_a_code_expires(codes: PairingCodes[Scope], clock: ManualClock) -> None:
    code = codes.create("phone", ["pos"]).code
    clock.now_s += VALID_S
    with pytest.raises(InvalidRequest):
        codes.exchange(code, "192.168.1.7")


def test_five_tries_a_minute_from_each_address(codes: PairingCodes[Scope], clock: ManualClock) -> None:
    code = codes.create("phone", ["pos"]).code
    for _ in range(5):
        with pytest.raises(InvalidRequest):
            codes.exchange("WRONGONE", "192.168.1.66")
    with pytest.raises(RateLimited) as caught:
        codes.exchange(code, "192.168.1.66")
    assert 0 < caught.value.retry_after_s <= 13
    assert codes.exchange(code, "192.168.1.7")  # nobody else is kept out
    clock.now_s += 60
    with pytest.raises(InvalidRequest):
        codes.exchange(code, "192.168.1.66")


def test_what_is_remembered_is_bounded(codes: PairingCodes[Scope]) -> None:
    first = codes.create("phone", ["pos"]).code
    for _ in range(20):
        codes.create("phone", ["pos"])
    for number in range(3000):
        with pytest.raises(InvalidRequest):
            codes.exchange(first, f"10.0.{number // 250}.{number % 250}")
    assert len(codes._tries) <= 1024
    assert len(codes._codes) == 20
