"""Server names that lead to private addresses, which the configuration does not allow.

The run's loopback interface has an address of a private range besides 127.0.0.0/8. Synapse, which is configured to go
anywhere, shows in each test that the way leads there; Althing must not go.
"""

import asyncio

import pytest
from aiohttp import web

from harness.names import DOMAIN, FEDERATION_PORT, PRIVATE_ADDRESS, PRIVATE_HOST
from harness.user import MatrixError

WELL_KNOWN_PORT = 443


class Trap:
    """Listens at the private address and counts who comes."""

    def __init__(self):
        self.visits = 0
        self.listeners = []

    async def __aenter__(self):
        for port in (FEDERATION_PORT, WELL_KNOWN_PORT):
            self.listeners.append(await asyncio.start_server(self.visited, PRIVATE_ADDRESS, port))
        return self

    async def __aexit__(self, *_):
        for listener in self.listeners:
            listener.close()

    async def visited(self, reader, writer):
        self.visits += 1
        writer.close()


async def by_literal(world, peer) -> str:
    return f"{PRIVATE_ADDRESS}:{FEDERATION_PORT}"


async def by_literal_in_ipv6(world, peer) -> str:
    return f"[::ffff:{PRIVATE_ADDRESS}]:{FEDERATION_PORT}"


async def by_name(world, peer) -> str:
    return f"{PRIVATE_HOST}:{FEDERATION_PORT}"


async def by_srv(world, peer) -> str:
    name = f"srv.{DOMAIN}"
    for service in ("_matrix-fed", "_matrix"):
        world.services[f"{service}._tcp.{name}"] = (PRIVATE_HOST, FEDERATION_PORT)
    return name


async def by_well_known(world, peer) -> str:
    """The peer delegates to the private address."""

    async def delegate(request):
        return web.json_response({"m.server": f"{PRIVATE_ADDRESS}:{FEDERATION_PORT}"})

    await peer.serve_well_known(delegate)
    return peer.name


async def by_redirect(world, peer) -> str:
    """The peer redirects the question for its delegation to the private address."""

    async def redirect(request):
        raise web.HTTPFound(f"https://{PRIVATE_HOST}/.well-known/matrix/server")

    await peer.serve_well_known(redirect)
    return peer.name


WAYS = [by_literal, by_literal_in_ipv6, by_name, by_srv, by_well_known, by_redirect]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_private_address_is_not_reached(world, pair, server, peer, way):
    """A client asks for a profile at such a name: nobody comes to the private address."""
    async with Trap() as trap:
        name = await way(world, peer)
        # Twice: what the first request leaves in a cache must not open the second way.
        for _ in range(2):
            await ask_for_profile(server, name)
        assert trap.visits == 0


@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_literal_in_ipv6], ids=lambda way: way.__name__)
async def test_the_way_leads_there(world, pair, peer, way):
    """The same request to a server that may go anywhere does come to the private address."""
    if pair.right.kind != "synapse":
        pytest.skip("only Synapse is configured to go anywhere")
    async with Trap() as trap:
        await ask_for_profile(pair.right, await way(world, peer))
        assert trap.visits > 0


async def ask_for_profile(server, name: str) -> None:
    user = await server.user("curious")
    with pytest.raises(MatrixError):
        await user.request("GET", f"/client/v3/profile/@x:{name}")
