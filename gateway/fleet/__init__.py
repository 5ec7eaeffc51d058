"""The link to the head office of a chain of shops, over NATS JetStream. README.md describes what is sent, and how.

====================  ==========================================================================================
``link``              the service: connects, does what its parts do, starts again after a failure
``link_part``         what a part of the link is
``connection``        one connection
``client``            the client library as it is used here
``credentials``       with what a shop proves to the servers which one it is
``presence``          hears whether another gateway has the same certificate
``commands``          the commands of the head office, as data
``command_handler``   takes them: checks, remembers, acts once, responds
``command_results``   what is in the results of some of them
``command_table``     the stored commands
``desired_follower``  the service that follows what the head office wants, and answers it
``desired_reader``    reads the documents in which that stands, and merges them
``followed_settings`` the settings among it: checked, stored, taken back
``desired_content``   the lists of products and templates of labels among it
``content_download``  reads a file from the object store, in parts
``content_table``     what became of content
``link_throttle``     when the shop's line may be used
``uplink``            sends the events of the log, and moves the cursor
``cursor``            how far events are sent, and where that goes on after a new connection
``cursor_table``      the stored cursor
``failures``          how sending fails
``parts``             makes the link of the parts of a gateway
``reported_state``    what the head office sees of the shop at a glance
``findings``          what the doctor does not find good
``day_flow``          the customer flow of each day
``events``            events of the link itself
``join``              joining a chain with a code, which ``join_code`` reads
``pending_join``      joining with a code from the boot partition, until that has worked
``subjects``          the names on the servers, and what a shop may do with them
``documents``         what messages hold
``part_names``        how the parts of what the head office wants are named
====================  ==========================================================================================

A gateway imports nothing of it unless its settings name servers, or a join code waits.
"""
