"""Backup of settings and state into one file, and back."""
