"""Events: where they come from (callbacks of the vendor, the parts of the gateway) and how they reach tills."""
