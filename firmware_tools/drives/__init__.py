"""Drives that may hold a card: which there are, and which may be written."""
