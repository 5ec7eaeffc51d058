"""Finding cameras on the network: one file per method, run together in rounds."""
