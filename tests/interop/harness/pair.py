"""The servers that face each other in the tests, and a third one for the tests that need it."""

from pathlib import Path

from harness import name_server
from harness.althing import Althing
from harness.authority import Authority
from harness.homeserver import Homeserver
from harness.names import PEERS, Place, place_with_host_name, place_with_ip_literal
from harness.synapse import Synapse

KINDS = {"althing": Althing, "synapse": Synapse}


def places(names: str) -> list[Place]:
    """Returns the places of three servers, known by host names or by IP literals."""
    if names == "host":
        return [place_with_host_name(host) for host in ("hs1", "hs2", "hs3")]
    return [place_with_ip_literal(number) for number in (2, 3, 4)]


class Pair:
    """Two running servers, left and right."""

    def __init__(self, kinds: dict[str, str], names: str, folder: Path, authority: Authority):
        self.kinds = kinds
        self.folder = folder
        self.authority = authority
        self.left_place, self.right_place, self.third_place = places(names)
        self.left = self.make("left", self.left_place)
        self.right = self.make("right", self.right_place)
        self.third: Homeserver | None = None

    def make(self, side: str, place: Place) -> Homeserver:
        return KINDS[self.kinds[side]](place, self.folder / side, self.authority)

    @property
    def servers(self) -> list[Homeserver]:
        return [server for server in (self.left, self.right, self.third) if server is not None]

    async def start(self) -> None:
        await self.left.start()
        await self.right.start()

    async def third_server(self) -> Homeserver:
        """Returns the third server, which starts when it is first asked for."""
        if self.third is None:
            self.third = self.make("third", self.third_place)
            await self.third.start()
        return self.third

    def other(self, server: Homeserver) -> Homeserver:
        return self.right if server is self.left else self.left

    async def cut(self) -> None:
        """Cuts the links to both servers: neither reaches the other."""
        for server in (self.left, self.right):
            await server.link.cut()

    async def mend(self) -> None:
        """Mends the links, and lets both servers notice."""
        for server in (self.left, self.right):
            await server.link.mend()
        await self.nudge()

    async def nudge(self) -> None:
        """Lets each Synapse send one request to the other server.

        Synapse looks for servers that have come back only once a minute, or when it hears from one, or when one of its
        users asks for something there. A profile is such a thing, and it wakes the server that is asked as well.
        """
        for server in (self.left, self.right):
            if server.kind == "synapse":
                await server.wake(self.other(server).name)

    async def heal(self) -> None:
        """Undoes what a test has done to servers and links, and closes the connections of its users."""
        for server in self.servers:
            await server.heal()
            await server.forget_users()

    async def stop(self) -> None:
        for server in self.servers:
            await server.forget_users()
            await server.stop()
            await server.link.cut()


class World:
    """All that one run has started. Pairs start when the first test asks for them."""

    def __init__(self, kinds: dict[str, str], folder: Path):
        self.kinds = kinds
        self.folder = folder
        self.authority = Authority(folder / "authority")
        self.services: dict[str, tuple[str, int]] = {}
        self.pairs: dict[str, Pair] = {}
        self.name_server = None
        self.peers = iter(PEERS)

    def fresh_peer_place(self) -> Place:
        """Returns a place that no server of this run has heard of."""
        return place_with_host_name(next(self.peers))

    async def pair(self, names: str) -> Pair:
        """Returns the running pair whose servers have host names ("host") or IP literals ("ip")."""
        if self.name_server is None:
            self.name_server = await name_server.serve(self.services)
        if names not in self.pairs:
            pair = Pair(self.kinds, names, self.folder / names, self.authority)
            self.pairs[names] = pair
            await pair.start()
        return self.pairs[names]

    @property
    def servers(self) -> list[Homeserver]:
        return [server for pair in self.pairs.values() for server in pair.servers]

    async def stop(self) -> None:
        for pair in self.pairs.values():
            await pair.stop()
        if self.name_server is not None:
            self.name_server.close()
