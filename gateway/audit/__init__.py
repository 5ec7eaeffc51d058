"""The audit log: who changed what through the gateway."""
