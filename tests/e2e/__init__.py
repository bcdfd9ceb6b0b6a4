"""End-to-end tests: the real program, started as a person starts it, with real clients and real targets.

`process` starts and stops programs, `program` knows ginnel's command line, `socks` is the application, `targets` are
the far ends, `streams` what both do with bytes, `udp_proxy` stands on the path between a client and its server, and
`machine` looks at a process from the outside.

Networks of their own, as root: `namespace` is a machine, `network` two of them with a wire or a router between, `tun`
two with devices as VPNs have them, `router` what is done to packets on the way, `tunnel` a client and a server in
there. `packets` writes segments that no kernel would send, `victims` knows what would fit, `capture` records what
passes, `judges` say what they make of it. `test_lab` shows that all this sees what it is to see.
"""
