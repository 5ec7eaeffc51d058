"""The gateway's own certificate authority, which makes browsers on the store's network trust its HTTPS port.

A till installs the root certificate once. The root signs one intermediate certificate, and then its private key is
discarded: nobody can sign anything else with it. The intermediate certificate issues the HTTPS port's certificate.
Name constraints limit it to the gateway's own names and private addresses, so its key, if stolen, endangers no other
site.
"""
