"""The check digit of bar codes: EAN-8, UPC-A, EAN-13, GTIN-14."""


def compute_check_digit(digits: str) -> str:
    """Return the check digit of the digits before it."""
    return str(-(3 * sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2]))) % 10)
