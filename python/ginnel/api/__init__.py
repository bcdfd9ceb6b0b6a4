"""The library: a server, a client, and what they hand out. All of it is also at the top, as `ginnel.Server`."""
