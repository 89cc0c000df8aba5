"""The wire to a server, which a test can cut and mend.

A link listens at the server's public address and carries bytes to the server behind it, TLS included, so that neither
side knows about it.
"""

import asyncio
from contextlib import suppress

from harness.names import FEDERATION_PORT, Place

CHUNK_BYTES = 64 * 1024


class Link:
    """Carries connections to one server's federation port."""

    def __init__(self, place: Place):
        self.place = place
        self.listener: asyncio.Server | None = None
        self.carriers: set[asyncio.Task] = set()

    async def mend(self) -> None:
        """Starts to carry connections, if it does not yet."""
        if self.listener is None:
            self.listener = await asyncio.start_server(
                self.carry, self.place.public_address, FEDERATION_PORT, reuse_address=True
            )

    async def cut(self) -> None:
        """Refuses new connections and breaks those that exist."""
        if self.listener is None:
            return
        self.listener.close()
        self.listener = None
        for carrier in list(self.carriers):
            carrier.cancel()
        await asyncio.gather(*self.carriers, return_exceptions=True)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection until either side closes it or the link is cut."""
        task = asyncio.current_task()
        self.carriers.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            back, onward = await asyncio.open_connection(self.place.own_address, FEDERATION_PORT)
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(reader, onward))
                both.create_task(copy(back, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # A server that is down refuses, a cut link cancels; for the other side both are a broken connection.
            pass
        finally:
            self.carriers.discard(task)
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies one direction until its end, and passes the end on."""
    while chunk := await source.read(CHUNK_BYTES):
        sink.write(chunk)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()
