"""Cameras: what is known of them, calling them over pinned connections, and provisioning them."""
