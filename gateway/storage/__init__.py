"""What must survive a power cut: the state directory and its SQLite database. The only place with SQL."""
