"""Makes, verifies and cleans firmware SD cards for SUNMI cameras: the command `sunmi-sdcard`.

It depends on nothing of the gateway. Linux writes a card as a block device (`raw_card`), Windows and macOS as files on
a mounted volume (`mounted_volume`); `host` chooses.
"""
