"""What survives a power cut: the state directory, and the SQLite database in it."""
