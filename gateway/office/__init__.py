"""The head office of a chain: its authority, its servers, and which shops belong to it. README.md is the guide.

========================  ======================================================================================
``plan``                  what a person decides: the name, the servers, their ports
``chain_folder``          the folder with the keys and certificates, which is all that the head office keeps
``authority``             the chain's certificate authority
``nkey``, ``jwt``         keys and tokens as the servers want them
``server_configuration``  the configuration of each server
``office``                the connection to the servers
``streams``               the streams and buckets, and making them
``set_up``                giving the servers all that they need, when they run
``enrolment``             which shops belong to the chain: enrolled, joined, retired
``join``                  the HTTPS service with which shops join
``readers``               other systems that read what shops send
``revocation``            who may not connect any more
``server_requests``       what each server responds to, one after the other
``servers``               which servers answer, and what time it is by their clocks
``server_troubles``       what is wrong with the servers
``connections``           who is connected, as the servers say it
``stored_messages``       reading streams in batches, without a consumer
``stream_follower``       reading a stream again and again, also when it was put back to an earlier state
``audit``                 who has changed what
``bucket``                keys of a bucket, changed only by whoever has seen the newest
``shop_facts``            what is known of one shop, and how it is
``shops``                 all shops, the worst first, and one as a whole
``desired``               what is desired of shops, part by part
``revoked_members``       who is listed, and is revoked: after an older backup was restored
``unlisted_shops``        shops that are connected and that the servers have lost are listed again
``changes``               changes that reach all their shops at once; groups
``content``               files for shops, in the object store
``rollouts``              roll-outs in waves: starting them, and what people do with them
``rollout_documents``     what the servers keep of a roll-out
``rollout_targets``       which shops a wave reaches, and by which documents
``rollout_outcome``       what became of a roll-out in a shop
``rollout_run``           advances a roll-out, whoever has begun it
``rollout_service``       advances one for a person, or all while the head office serves
``command_calls``         commands for shops, repeated until each has said what became of it
``command_responses``     where shops respond
``outcome_texts``         the words for what becomes of roll-outs, commands and what is desired
``natural_order``         the order in which people expect names
========================  ======================================================================================

Nothing here knows a gateway, and a gateway imports nothing from here.
"""
