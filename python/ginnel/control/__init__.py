"""The control socket: how commands on the same machine talk to a running server or client.

A Unix socket for its owner alone. One line of JSON asks, one line of JSON answers.
"""
