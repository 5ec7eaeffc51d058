"""Cards as mounted volumes: Windows and macOS, where writing a drive raw could cost a laptop its disk.

The user formats the card with the system's tools, and we copy the firmware to it as a file.
"""
