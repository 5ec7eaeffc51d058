"""The command `sunmi-gateway`: every command speaks REST, to a running gateway or to one made for the moment."""
