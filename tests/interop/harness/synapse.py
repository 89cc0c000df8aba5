"""Synapse as a homeserver under test, as strict as it comes but for limits and waits."""

import sys

import signedjson.key
import yaml

from harness.homeserver import SHARED_SECRET, Homeserver
from harness.names import CLIENT_PORT, FEDERATION_PORT

UNLIMITED = {"per_second": 100_000, "burst_count": 100_000}


class Synapse(Homeserver):
    kind = "synapse"

    def configure(self) -> None:
        self.signing_key = signedjson.key.generate_signing_key("interop")
        signing_key_file = self.folder / "signing.key"
        with signing_key_file.open("w") as file:
            signedjson.key.write_signing_keys(file, [self.signing_key])
        (self.folder / "log.yaml").write_text(yaml.safe_dump(log_configuration()))
        own = self.place.own_address
        configuration = {
            "server_name": self.name,
            "public_baseurl": f"{self.client_url}/",
            "pid_file": str(self.folder / "pid"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(signing_key_file),
            "log_config": str(self.folder / "log.yaml"),
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "synapse.db")}},
            "listeners": [
                listener(own, CLIENT_PORT, "client", tls=False),
                listener(own, FEDERATION_PORT, "federation", tls=True),
            ],
            "tls_certificate_path": str(self.certificate),
            "tls_private_key_path": str(self.certificate_key),
            "federation_verify_certificates": True,
            "federation_custom_ca_list": [str(self.authority.certificate_file)],
            "ip_range_blacklist": [],
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "report_stats": False,
            "default_room_version": "12",
            "presence": {"enabled": False},
            "macaroon_secret_key": "interop-macaroon",
            "form_secret": "interop-form",
            "registration_shared_secret": SHARED_SECRET,
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "bcrypt_rounds": 4,
            "url_preview_enabled": False,
            # A broken link is tried again after a second, not after ten minutes.
            "federation": {
                "client_timeout": "15s",
                "max_short_retries": 1,
                "max_short_retry_delay": "1s",
                "max_long_retries": 1,
                "max_long_retry_delay": "1s",
                "destination_min_retry_interval": "1s",
                "destination_retry_multiplier": 1,
                "destination_max_retry_interval": "2s",
            },
            **unlimited(),
        }
        (self.folder / "homeserver.yaml").write_text(yaml.safe_dump(configuration))

    def command(self) -> list[str]:
        return [sys.executable, "-m", "synapse.app.homeserver", "-c", str(self.folder / "homeserver.yaml")]


def listener(address: str, port: int, resource: str, tls: bool) -> dict:
    return {
        "type": "http",
        "bind_addresses": [address],
        "port": port,
        "tls": tls,
        "resources": [{"names": [resource], "compress": False}],
    }


def unlimited() -> dict:
    """Returns every rate limit of Synapse, lifted."""
    return {
        "rc_message": UNLIMITED,
        "rc_registration": UNLIMITED,
        "rc_registration_token_validity": UNLIMITED,
        "rc_login": {"address": UNLIMITED, "account": UNLIMITED, "failed_attempts": UNLIMITED},
        "rc_admin_redaction": UNLIMITED,
        "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
        "rc_joins_per_room": UNLIMITED,
        "rc_invites": {"per_room": UNLIMITED, "per_user": UNLIMITED, "per_issuer": UNLIMITED},
        "rc_third_party_invite": UNLIMITED,
        "rc_media_create": UNLIMITED,
        "rc_presence": {"per_user": UNLIMITED},
        "rc_delayed_event_mgmt": UNLIMITED,
        "rc_room_creation": UNLIMITED,
        "rc_reports": UNLIMITED,
        "rc_user_directory": UNLIMITED,
        "rc_key_requests": UNLIMITED,
        "rc_federation": {
            "window_size": 1000,
            "sleep_limit": 100_000,
            "sleep_delay": 1,
            "reject_limit": 100_000,
            "concurrent": 100,
        },
        # Receipts leave at once instead of a few a second.
        "federation_rr_transactions_per_room_per_second": 1000,
    }


def log_configuration() -> dict:
    return {
        "version": 1,
        "formatters": {"line": {"format": "%(asctime)s %(name)s %(lineno)d %(levelname)s %(request)s %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "INFO", "handlers": ["console"]},
        "disable_existing_loggers": False,
    }
