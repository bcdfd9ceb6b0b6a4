"""Capture files: what is in them, frame by frame, and the datagrams in those."""

from ginnel.capture.files import Frame, read
from ginnel.capture.packets import Datagram, Empty, Skipped, datagrams
from ginnel.capture.writing import Writer

__all__ = ["Datagram", "Empty", "Frame", "Skipped", "Writer", "datagrams", "read"]
