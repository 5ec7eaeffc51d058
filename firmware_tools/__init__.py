"""Firmware SD cards for SUNMI cameras: written, verified, cleaned, one or forty at a time."""
