"""The store's network: finding cameras, knowing them, calling them and putting new ones to work."""
