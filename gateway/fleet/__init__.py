"""The link to the head office of a chain of shops, over NATS JetStream. README.md describes what is sent, and how.

====================  ==========================================================================================
``link``              the service: connects, sends what waits, starts again after a failure
``connection``        one connection; the only module that imports the client library
``credentials``       with what a shop proves to the servers which one it is
``uplink``            sends the events of the log, and moves the cursor
``cursor``            how far events are sent, and where that goes on after a new connection
``cursor_table``      the stored cursor
``failures``          how sending fails
``parts``             makes the link of the parts of a gateway
``reported_state``    what the head office sees of the shop at a glance
``subjects``          the names on the servers, and what a shop may do with them
``documents``         what messages hold
====================  ==========================================================================================

Nothing here is imported unless the settings name servers.
"""
