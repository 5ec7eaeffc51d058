"""The gateway's own certificate authority, with which browsers on the store's network trust its HTTPS port.

Tills install its root once. When the root is made it signs one issuing certificate, and its key is then forgotten:
nobody can ever sign anything else with it. The issuing certificate is confined to the gateway's own names and to
private addresses, so that its key, if stolen, endangers no other site; it issues what the HTTPS port shows.
"""
