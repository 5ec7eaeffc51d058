"""Many cards in one run that can be resumed, and a report about them."""
