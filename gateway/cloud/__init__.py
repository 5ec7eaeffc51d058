"""The SUNMI store open platform: the client that speaks to it, and its TLS."""
