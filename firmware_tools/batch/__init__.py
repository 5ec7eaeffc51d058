"""Many cards in one resumable run, and the report that goes with them."""
