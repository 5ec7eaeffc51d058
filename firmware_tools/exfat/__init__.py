"""The exFAT file system as its public specification describes it: structures, a reader, and checks."""
