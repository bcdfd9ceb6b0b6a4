"""What stands in the datagrams of a capture, as far as the keys at hand show it: for `ginnel dump`."""

from ginnel.dissect.quic import Packet, packets
from ginnel.dissect.record import Dissection

__all__ = ["Dissection", "Packet", "packets"]
