"""Updates of the gateway: asked for by its service, installed by root, proved before they serve."""
