"""Filling a card that the system has formatted: Windows and macOS, where raw writing could cost a laptop's disk."""
