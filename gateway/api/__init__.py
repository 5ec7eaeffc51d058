"""The local REST API: routes as data, their handlers, and the OpenAPI document that follows from both."""
