"""The command `sunmi-gateway`. Its commands use the REST API of a running gateway, or of one made for the command."""
