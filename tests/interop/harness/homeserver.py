"""A homeserver under test, of whatever kind: `synapse` and `althing` say how theirs is configured and started."""

import itertools
from abc import ABC, abstractmethod
from pathlib import Path

import aiohttp

from harness.authority import Authority
from harness.link import Link
from harness.names import CLIENT_PORT, Place
from harness.process import Process
from harness.user import MatrixError, User
from harness.waiting import eventually

START_LIMIT = 90.0
SHARED_SECRET = "interop-shared-secret"

serial = itertools.count(1)


class Homeserver(ABC):
    """A server with its folder, its place in the network and the link that leads to it."""

    kind: str

    def __init__(self, place: Place, folder: Path, authority: Authority):
        self.place = place
        self.folder = folder
        folder.mkdir(parents=True)
        self.log = folder / "server.log"
        self.certificate, self.certificate_key = authority.issue(place)
        self.authority = authority
        self.link = Link(place)
        self.process: Process | None = None
        self.users: list[User] = []
        self.configure()

    @property
    def name(self) -> str:
        return self.place.server_name

    @property
    def client_url(self) -> str:
        return f"http://{self.place.own_address}:{CLIENT_PORT}"

    @abstractmethod
    def configure(self) -> None:
        """Writes the configuration into the folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """Returns the command that runs the server in the foreground."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    async def start(self) -> None:
        """Starts the server and waits until clients can use it."""
        self.process = Process(self.command(), self.folder, self.log)
        await self.link.mend()
        await eventually(self.ready, f"{self.name} ({self.kind}) answers clients", START_LIMIT)

    async def ready(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ({self.kind}) ended while it started:\n{self.log_tail(40)}")
        try:
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{self.client_url}/_matrix/client/versions") as response:
                    return response.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self) -> int | None:
        return await self.process.stop() if self.process else None

    async def kill(self) -> None:
        await self.process.kill()

    async def heal(self) -> None:
        """Brings the server and its link back, whatever a test has done to them."""
        await self.link.mend()
        if not self.running:
            await self.start()

    async def user(self, name: str, **options) -> User:
        """Registers a fresh user, whose localpart begins with `name`, and logs them in."""
        user = User(self.client_url, self.name, f"{name}_{next(serial)}", **options)
        await user.register()
        self.users.append(user)
        return user

    async def wake(self, other: str) -> None:
        """Makes the server send a request to `other`, until it succeeds."""
        user = await self.user("waker")

        async def answered():
            try:
                await user.request("GET", f"/client/v3/profile/@nobody:{other}")
            except MatrixError as missing:
                return missing.code == "M_NOT_FOUND"
            return True

        await eventually(answered, f"{self.name} reaches {other}")

    async def forget_users(self) -> None:
        """Closes the connections of all users."""
        for user in self.users:
            await user.close()
        self.users.clear()

    def log_tail(self, lines: int) -> str:
        """Returns the last lines that the server logged."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
