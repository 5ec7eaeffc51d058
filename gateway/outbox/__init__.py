"""The outbox: calls for the cloud, kept until they have arrived."""
