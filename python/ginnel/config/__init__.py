"""Configuration: frozen values, checked when they are made, and the two texts that carry them.

`values` holds what a person decides about a server or a client, `sharelink` the one line that a client needs,
`state` what a server must remember between two starts, `address` and `units` how hosts, ports and times are
written, `secret` the one type that keys live in.
"""
