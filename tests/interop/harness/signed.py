"""Requests that are signed as a homeserver signs them, sent over TLS to a server's federation port."""

import json
import ssl
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import signedjson.sign
from canonicaljson import encode_canonical_json
from yarl import URL

from harness.authority import Authority
from harness.homeserver import Homeserver
from harness.names import FEDERATION_PORT

TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass
class Answer:
    """A server's answer: its status, and its body as JSON, or `None` if it is none."""

    status: int
    body: dict | None
    text: str = field(repr=False)

    @property
    def code(self) -> str | None:
        return self.body.get("errcode") if isinstance(self.body, dict) else None


class Signer:
    """A server's identity, which signs requests."""

    def __init__(self, name: str, key, authority: Authority):
        self.name = name
        self.key = key
        self.tls = ssl.create_default_context(cafile=str(authority.certificate_file))

    def authorization(self, method: str, uri: str, destination: str, content=None, origin=None, key=None) -> str:
        """Returns the header of the X-Matrix scheme; `origin` and `key` may be somebody else's."""
        origin, key = origin or self.name, key or self.key
        signed = {"method": method, "uri": uri, "origin": origin, "destination": destination}
        if content is not None:
            signed["content"] = content
        signature = signedjson.sign.sign_json(signed, origin, key)["signatures"][origin]
        key_id, value = next(iter(signature.items()))
        return f'X-Matrix origin="{origin}",destination="{destination}",key="{key_id}",sig="{value}"'

    async def request(self, server: Homeserver, method: str, path: str, content=None, **query) -> Answer:
        """Sends a properly signed request to a path below /_matrix/federation."""
        uri = federation_uri(path, query)
        header = self.authorization(method, uri, server.name, content)
        body = None if content is None else encode_canonical_json(content)
        return await self.raw(server, method, uri, body, {"Authorization": header})

    async def raw(
        self, server: Homeserver, method: str, uri: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        """Sends a request as it is given, whatever is wrong with it."""
        url = URL(f"https://{server.place.host}:{FEDERATION_PORT}{uri}", encoded=True)
        headers = {"Host": server.name, "Content-Type": "application/json", **headers}
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            async with session.request(method, url, data=body, headers=headers, ssl=self.tls) as response:
                text = await response.text()
                try:
                    parsed = json.loads(text)
                except ValueError:
                    parsed = None
                return Answer(response.status, parsed, text)


def federation_uri(path: str, query: dict | None = None) -> str:
    """Returns the path with its query, encoded as it is signed and sent. `path` begins with the API's version."""
    pairs = [
        f"{quote(key, safe='')}={quote(str(item), safe='')}"
        for key, value in (query or {}).items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return f"/_matrix/federation{path}" + ("?" + "&".join(pairs) if pairs else "")


def segment(text: str) -> str:
    """Returns an id as a segment of a path."""
    return quote(text, safe="")
