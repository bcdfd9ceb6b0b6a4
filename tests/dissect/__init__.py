"""What stands in datagrams: packets, frames, records."""
