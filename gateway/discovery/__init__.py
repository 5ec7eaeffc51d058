"""Finds the cameras on the network: `Discovery` runs scans, and each scan uses several methods, one file each."""
