"""The web side of a chain's head office: pages for people, and an API for the chain's own systems.

It keeps nothing: what it shows is read from the servers of the chain, and its tokens are in a bucket there.
"""
