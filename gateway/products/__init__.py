"""The products of a shop: lists read and checked, and the mirror of what the cloud has taken."""
