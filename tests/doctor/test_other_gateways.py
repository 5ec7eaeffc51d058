"""What the doctor says of other gateways on the network."""

from gateway.doctor.neighbours import OtherGateway, describe_others

OTHERS = {
    "one._sunmi-gateway._tcp.local.": OtherGateway("192.168.1.5:80", "this account"),
    "two._sunmi-gateway._tcp.local.": OtherGateway("192.168.1.6:80", "another account"),
}


def test_those_of_this_account_are_counted_and_named() -> None:
    found = describe_others(OTHERS, "this account")
    assert (found.status, found.what) == ("failed", "other gateways of this account on this network: 1")
    assert "192.168.1.5" in found.evidence
    assert "192.168.1.6" not in found.evidence


def test_of_other_accounts_all_are_named() -> None:
    found = describe_others(OTHERS, "")
    assert (found.status, found.what) == ("warning", "other gateways on this network: 2")
    assert "192.168.1.5" in found.evidence
    assert "192.168.1.6" in found.evidence
