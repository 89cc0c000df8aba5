"""The addresses and host names of the servers under test.

Each server has two addresses of the loopback network. Others reach it at its public address, on port 8448, where a
`Link` listens that tests can cut. The server itself listens at its own address behind that. Nothing outside of the
run's network namespace sees any of them.
"""

from dataclasses import dataclass

FEDERATION_PORT = 8448
CLIENT_PORT = 8008
DOMAIN = "interop.test"
NAME_SERVER = "127.3.0.53"
# An address of a private range that no server is allowed to be at, and a name for it.
PRIVATE_ADDRESS = "10.99.0.1"
PRIVATE_HOST = f"private.{DOMAIN}"

SERVERS = [f"hs{number}" for number in range(1, 10)]
# The peers that tests play themselves: each test has a name that no server has heard of.
PEERS = [f"peer{number}" for number in range(1, 1001)]


@dataclass(frozen=True)
class Place:
    """Where a server lives: its server name, its public address and the address behind the link."""

    server_name: str
    host: str
    public_address: str
    own_address: str


def place_with_host_name(host: str) -> Place:
    """Returns the place of a server that is known by a host name of the hosts file."""
    name = f"{host}.{DOMAIN}"
    if host in SERVERS:
        number = SERVERS.index(host) + 2
        return Place(name, name, f"127.1.0.{number}", f"127.2.0.{number}")
    high, low = divmod(PEERS.index(host), 250)
    return Place(name, name, f"127.4.{high}.{low + 2}", f"127.5.{high}.{low + 2}")


def place_with_ip_literal(number: int) -> Place:
    """Returns the place of a server whose name is an IP literal with a port."""
    address = f"127.1.1.{number}"
    return Place(f"{address}:{FEDERATION_PORT}", address, address, f"127.2.1.{number}")


def hosts_file() -> str:
    """Returns the hosts file that every process of the run sees."""
    lines = ["127.0.0.1 localhost", f"{PRIVATE_ADDRESS} {PRIVATE_HOST}"]
    for host in SERVERS + PEERS:
        place = place_with_host_name(host)
        lines.append(f"{place.public_address} {place.host}")
    return "\n".join(lines) + "\n"


def resolver_file() -> str:
    """Returns the resolv.conf that every process of the run sees; `name_server` answers there."""
    return f"nameserver {NAME_SERVER}\noptions timeout:2 attempts:1\n"
