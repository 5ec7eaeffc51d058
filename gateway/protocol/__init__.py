"""The vendor's protocol as pure functions and data: no I/O, no clock, no randomness."""
