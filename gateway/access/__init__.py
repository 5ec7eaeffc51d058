"""Who may do what: scopes, the tokens that have them, and the pairing codes that open sessions."""
