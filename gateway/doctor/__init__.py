"""The doctor: finds out why a gateway does not work, check by check."""
