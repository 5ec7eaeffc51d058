"""Events: what happens in the store, from those who report it to those who want to know.

====================================  ==========================================================================
``types``                             the types of the gateway's own events; a new type is one class. The vendor's
                                      are declared in `gateway.protocol.vendor_events`, the outbox's in its room
``event``, ``cursor``                 events, filters, and where a reader resumes
``log``, ``table``                    the event log and its tables
``retention_table``                   removal of old events, and erasure of personal data
``bus``                               passes new events on to subscribers
``callbacks``, ``correlation``        reports of the cloud and the cameras, and which of them belong together
``callback_urls``, ``camera_ids``     where callbacks arrive, and which camera the cloud means
``subscriptions``, ``subscription``,  keep the cloud and the cameras reporting
``subscription_targets``
``system_events``                     reports of the gateway's parts, and the watch over clock and disk
``webhooks``                          events for tills that cannot hold a stream
====================================  ==========================================================================

The stream is in `gateway.api.stream`.
"""
