"""End-to-end tests: the real program, started as a person starts it, with real clients and real targets.

`process` starts and stops programs, `program` knows ginnel's command line, `socks` is the application, `targets` are
the far ends, `streams` what both do with bytes, `udp_proxy` stands on the path between a client and its server, and
`machine` looks at a process from the outside.
"""
