"""The console: web pages for installers, shop staff and integrators, rendered on the server."""
