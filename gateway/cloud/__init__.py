"""The SUNMI store cloud: its client, TLS, and customer flow."""
