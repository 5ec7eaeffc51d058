"""A whole shop in one go: its site plan, and the hotspots of its new cameras."""
