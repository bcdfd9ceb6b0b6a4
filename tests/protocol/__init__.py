"""A second implementation of the protocol, written from PROTOCOL.md and the texts it names, from no source of ginnel.

Where the document left a question open, the answer was found and written there. It shares no code with the program:
what both agree on is on the wire. A change of PROTOCOL.md is made here as well, by its text.
"""
