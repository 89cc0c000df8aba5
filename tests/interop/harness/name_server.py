"""A DNS server that knows no names, so that lookups end at once instead of waiting for the outside world.

Host names come from the hosts file. What a homeserver asks DNS for besides (SRV records) does not exist; a name that is
in `SERVICES` is the exception.
"""

import asyncio
import struct

from harness import names

NAME_ERROR = 3
SRV = 33
RECURSION_DESIRED = 0x0100
ANSWER = 0x8080


class NameServer(asyncio.DatagramProtocol):
    """Answers each question with `NXDOMAIN`, or with the SRV record that `services` has for it."""

    def __init__(self, services: dict[str, tuple[str, int]]):
        self.services = services

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data: bytes, peer):
        answer = self.answer(data)
        if answer is not None:
            self.transport.sendto(answer, peer)

    def answer(self, query: bytes) -> bytes | None:
        """Returns the answer to `query`, or `None` if it is no question."""
        if len(query) < 17:
            return None
        identifier, flags = struct.unpack("!HH", query[:4])
        labels, end = [], 12
        while query[end]:
            labels.append(query[end + 1 : end + 1 + query[end]].decode("ascii", "replace").lower())
            end += 1 + query[end]
        question = query[12 : end + 5]
        kind = struct.unpack("!H", query[end + 1 : end + 3])[0]
        service = self.services.get(".".join(labels)) if kind == SRV else None
        status = (flags & RECURSION_DESIRED) | ANSWER | (0 if service else NAME_ERROR)
        header = struct.pack("!HHHHHH", identifier, 0x8000 | status, 1, 1 if service else 0, 0, 0)
        return header + question + (srv_record(*service) if service else b"")


def srv_record(target: str, port: int) -> bytes:
    """Returns an SRV record for the name of the question, with a time to live of a minute."""
    name = b"".join(bytes([len(label)]) + label.encode() for label in target.split(".")) + b"\0"
    data = struct.pack("!HHH", 10, 10, port) + name
    return b"\xc0\x0c" + struct.pack("!HHIH", SRV, 1, 60, len(data)) + data


async def serve(services: dict[str, tuple[str, int]]) -> asyncio.DatagramTransport:
    """Starts the name server where `names.resolver_file` points."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: NameServer(services), local_addr=(names.NAME_SERVER, 53)
    )
    return transport
