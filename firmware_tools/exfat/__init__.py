"""The exFAT file system as its public specification describes it: structures, a layout for cards, a reader."""
