"""MAC addresses, which the vendor writes in several notations."""


def normalise_mac(text: str) -> str:
    """Return a MAC address as `04:12:24:E3:45:12`, or an empty string if the text is not one."""
    digits = "".join(character for character in text if character not in ":-. ").upper()
    if len(digits) != 12 or any(digit not in "0123456789ABCDEF" for digit in digits):
        return ""
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))
