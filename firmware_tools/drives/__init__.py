"""Drives that may hold a card: which there are, which may be written, and taking one over safely."""
