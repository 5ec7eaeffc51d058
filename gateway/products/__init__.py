"""The products of a shop: lists as tills and spreadsheets save them, read and checked."""
