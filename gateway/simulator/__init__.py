"""Simulated cameras and a simulated cloud, for the demo, the tests and integrators; uses `gateway.protocol` only."""
