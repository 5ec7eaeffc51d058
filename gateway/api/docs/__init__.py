"""The API reference as pages (`/docs`): rendered from the OpenAPI document, in English and Chinese, offline."""
