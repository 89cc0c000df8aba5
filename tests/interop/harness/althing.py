"""Althing as a homeserver under test: the built binary, configured through the keys of its design."""

import json
import os
import sqlite3
from pathlib import Path

from harness.homeserver import SHARED_SECRET, Homeserver
from harness.names import CLIENT_PORT, FEDERATION_PORT

ROOT = Path(__file__).resolve().parents[3]


def binary() -> Path:
    """Returns the binary to test: ALTHING_BIN, else the newest kind of build that exists."""
    named = os.environ.get("ALTHING_BIN")
    candidates = [Path(named)] if named else [ROOT / "target/release/althing", ROOT / "target/debug/althing"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    tried = ", ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"no althing binary at {tried}: build it with cargo, or name it with ALTHING_BIN")


def database(server: Homeserver) -> sqlite3.Connection:
    """Opens the database of an Althing that may run, for reading."""
    return sqlite3.connect(f"file:{server.folder / 'data' / 'althing.db'}?mode=ro", uri=True)


class Althing(Homeserver):
    kind = "althing"

    def configure(self) -> None:
        quoted = json.dumps  # A JSON string is a TOML string, and so is a list of them.
        own = self.place.own_address
        (self.folder / "althing.toml").write_text(
            f"""\
server_name = {quoted(self.name)}
data_dir = {quoted(str(self.folder / "data"))}

[client]
listen = {quoted([f"{own}:{CLIENT_PORT}"])}

[federation]
listen = {quoted([f"{own}:{FEDERATION_PORT}"])}
tls = true
certificate = {quoted(str(self.certificate))}
private_key = {quoted(str(self.certificate_key))}
verify_certificates = true
extra_ca_certificates = {quoted([str(self.authority.certificate_file)])}
allowed_ip_ranges = ["127.0.0.0/8"]
trusted_key_servers = []

[registration]
mode = "open"
shared_secret = {quoted(SHARED_SECRET)}

[limits]
enabled = false
"""
        )

    def command(self) -> list[str]:
        return [str(binary()), "serve", "--config", str(self.folder / "althing.toml")]
