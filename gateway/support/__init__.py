"""What may leave a store so that somebody else can help: everything but its secrets and its content."""
