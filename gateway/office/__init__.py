"""The head office of a chain: its authority, its servers, and which shops belong to it. README.md is the guide.

========================  ======================================================================================
``plan``                  what a person decides: the name, the servers, their ports
``chain_folder``          the folder with the keys and certificates, which is all that the head office keeps
``authority``             the chain's certificate authority
``nkey``, ``jwt``         keys and tokens as the servers want them
``server_configuration``  the configuration of each server
``office``                the connection to the servers
``streams``               the streams and buckets, and making them
``readers``               other systems that read what shops send
``revocation``            who may not connect any more
========================  ======================================================================================

Nothing here knows a gateway, and a gateway imports nothing from here.
"""
