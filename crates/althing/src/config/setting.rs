//! Every key of the configuration, once: its type, its default, and what it is for.
//!
//! Reading, the environment, the error for a mistyped key and `generate-config` all go by this table.

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    List,
}

/// What a key has when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// This TOML value.
    Is(&'static str),
    /// Nothing, which means something of its own; the TOML value is an example.
    Unset(&'static str),
    /// The key must be set; the TOML value is an example.
    Required(&'static str),
}

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// `client.listen`
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// For the person who edits the file; lines of at most 100 characters.
    pub(super) about: &'static str,
}

impl Setting {
    /// The table that the key stands in, empty for the top of the file, and its name there.
    pub(super) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }

    /// The setting at `path`.
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.path == path)
    }

    /// Says whether errors must not show what stands at `path`.
    pub(super) fn is_secret(path: &str) -> bool {
        ["registration.tokens", "registration.shared_secret"].contains(&path)
    }

    /// Says whether the file has a table called `name`.
    pub(super) fn is_section(name: &str) -> bool {
        !name.is_empty() && SETTINGS.iter().any(|setting| setting.section_and_name().0 == name)
    }
}

/// All keys, in the order of the file.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "server_name",
        kind: Kind::Text,
        default: Default::Required("\"example.org\""),
        about: "The name after the colon in @user:example.org. It is part of every user, room and event:\n\
                it cannot be changed later.",
    },
    Setting {
        path: "data_dir",
        kind: Kind::Text,
        default: Default::Is("\"data\""),
        about: "The folder of the database, the media and the signing key: everything that must be backed up.\n\
                Relative paths in this file start at the folder of this file.",
    },
    Setting {
        path: "client.listen",
        kind: Kind::List,
        default: Default::Is("[\"127.0.0.1:8008\"]"),
        about: "Where clients connect: plain HTTP, behind a reverse proxy or for local use.",
    },
    Setting {
        path: "client.public_url",
        kind: Kind::Text,
        default: Default::Unset("\"https://matrix.example.org\""),
        about: "Where clients reach this server from outside. Left out: https:// and what serve_well_known\n\
                says, else https:// and the server name.",
    },
    Setting {
        path: "client.serve_well_known",
        kind: Kind::Text,
        default: Default::Is("\"\""),
        about: "\"matrix.example.org:443\": answer /.well-known/matrix/server with this and\n\
                /.well-known/matrix/client with public_url ourselves. Empty: somebody else answers them,\n\
                or nobody has to.",
    },
    Setting {
        path: "client.trusted_proxies",
        kind: Kind::List,
        default: Default::Is(
            "[\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"fc00::/7\"]",
        ),
        about: "Reverse proxies: what they say in X-Forwarded-For is believed, so that each client has limits\n\
                of its own. Nobody else is believed.",
    },
    Setting {
        path: "federation.listen",
        kind: Kind::List,
        default: Default::Is("[\"0.0.0.0:8448\"]"),
        about: "Where other servers connect.",
    },
    Setting {
        path: "federation.tls",
        kind: Kind::Flag,
        default: Default::Is("true"),
        about: "false: plain HTTP, behind a reverse proxy; the client port then serves federation too.",
    },
    Setting {
        path: "federation.certificate",
        kind: Kind::Text,
        default: Default::Unset("\"fullchain.pem\""),
        about: "The certificate chain and its key, as PEM files. Read again when they change, without a restart.\n\
                Both left out: a self-signed certificate, made at first start, for trying out.",
    },
    Setting { path: "federation.private_key", kind: Kind::Text, default: Default::Unset("\"key.pem\""), about: "" },
    Setting {
        path: "federation.verify_certificates",
        kind: Kind::Flag,
        default: Default::Is("true"),
        about: "false: talk to servers whatever certificate they show. For tests only.",
    },
    Setting {
        path: "federation.extra_ca_certificates",
        kind: Kind::List,
        default: Default::Is("[]"),
        about: "PEM files of further certificate authorities to trust.",
    },
    Setting {
        path: "federation.allowed_ip_ranges",
        kind: Kind::List,
        default: Default::Is("[]"),
        about: "Private ranges that requests to other servers may reach, for example [\"127.0.0.0/8\"].",
    },
    Setting {
        path: "federation.trusted_key_servers",
        kind: Kind::List,
        default: Default::Is("[\"matrix.org\"]"),
        about: "Servers to ask for the keys of servers that cannot be reached themselves.",
    },
    Setting {
        path: "registration.mode",
        kind: Kind::Text,
        default: Default::Is("\"closed\""),
        about: "Who may register: \"closed\" (nobody), \"token\" (who has one of the tokens), \"open\" (everybody).",
    },
    Setting { path: "registration.tokens", kind: Kind::List, default: Default::Is("[]"), about: "" },
    Setting {
        path: "registration.shared_secret",
        kind: Kind::Text,
        default: Default::Is("\"\""),
        about: "Whoever knows this makes accounts through /_synapse/admin/v1/register, as with Synapse.\n\
                Empty: nobody does.",
    },
    Setting {
        path: "rooms.default_version",
        kind: Kind::Text,
        default: Default::Is("\"12\""),
        about: "The version of new rooms, if their creator does not ask for another.",
    },
    Setting {
        path: "rooms.public_directory",
        kind: Kind::Text,
        default: Default::Is("\"everyone\""),
        about: "Who may publish rooms in the directory: \"everyone\", \"admins\", \"nobody\".",
    },
    Setting {
        path: "media.upload_size_max",
        kind: Kind::Text,
        default: Default::Is("\"50 MiB\""),
        about: "The largest file that users may upload, and that is fetched from other servers for them.",
    },
    Setting {
        path: "media.cache_size_max",
        kind: Kind::Text,
        default: Default::Is("\"10 GiB\""),
        about: "How much disk the copies of other servers' files may take. Those that nobody asked for the longest\n\
                go first; after 90 days they go anyway.",
    },
    Setting {
        path: "bridges.registration_files",
        kind: Kind::List,
        default: Default::Is("[]"),
        about: "Application services are not supported yet: must be empty.",
    },
    Setting {
        path: "limits.enabled",
        kind: Kind::Flag,
        default: Default::Is("true"),
        about: "false: no rate limits at all, for tests and load.",
    },
    Setting {
        path: "limits.login_failures_per_user",
        kind: Kind::Text,
        default: Default::Is("\"5 at once, one per 10 s\""),
        about: "How often something may happen: so many times at once, and after each pause once more.\n\
                Pauses are in ms, s or min. \"off\": as often as they like.\n\
                Wrong passwords for one user, and from one address:",
    },
    Setting {
        path: "limits.login_failures_per_address",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 5 s\""),
        about: "",
    },
    Setting {
        path: "limits.registrations_per_address",
        kind: Kind::Text,
        default: Default::Is("\"5 at once, one per 10 s\""),
        about: "New accounts from one address, and questions whether a name is free or a token good:",
    },
    Setting {
        path: "limits.registration_checks_per_address",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 5 s\""),
        about: "",
    },
    Setting {
        path: "limits.messages",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 5 s\""),
        about: "For one user: events sent; rooms joined or knocked on; invites; rooms made; one-time keys\n\
                asked for; changes of the profile; files uploaded:",
    },
    Setting { path: "limits.joins", kind: Kind::Text, default: Default::Is("\"10 at once, one per 10 s\""), about: "" },
    Setting {
        path: "limits.invites",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 3 s\""),
        about: "",
    },
    Setting {
        path: "limits.room_creations",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 1 min\""),
        about: "",
    },
    Setting {
        path: "limits.key_claims",
        kind: Kind::Text,
        default: Default::Is("\"100 at once, one per 50 ms\""),
        about: "",
    },
    Setting {
        path: "limits.profile_changes",
        kind: Kind::Text,
        default: Default::Is("\"10 at once, one per 10 s\""),
        about: "",
    },
    Setting {
        path: "limits.uploads",
        kind: Kind::Text,
        default: Default::Is("\"50 at once, one per 100 ms\""),
        about: "",
    },
    Setting {
        path: "limits.invites_from_server",
        kind: Kind::Text,
        default: Default::Is("\"200 at once, one per 20 s\""),
        about: "",
    },
    Setting {
        path: "limits.invites_from_server_to_user",
        kind: Kind::Text,
        default: Default::Is("\"50 at once, one per 1 min\""),
        about: "",
    },
    Setting {
        path: "limits.stored_from_server",
        kind: Kind::Text,
        default: Default::Is("\"2 GiB\""),
        about: "How much another server may have us store in a day, by its events and messages to devices. What is\n\
                more waits there until there is room again.",
    },
    Setting {
        path: "log.format",
        kind: Kind::Text,
        default: Default::Is("\"text\""),
        about: "What is written to standard error: \"text\", or \"json\" for one JSON object a line.",
    },
    Setting {
        path: "log.filter",
        kind: Kind::Text,
        default: Default::Is("\"info\""),
        about: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"; also for single parts: \"info,transport=debug\".",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_sections_stand_together() {
        let mut seen: Vec<&str> = Vec::new();
        for setting in SETTINGS {
            let (section, _) = setting.section_and_name();
            if seen.last() != Some(&section) {
                assert!(!seen.contains(&section), "{section} stands in two places");
                seen.push(section);
            }
            assert_eq!(SETTINGS.iter().filter(|other| other.path == setting.path).count(), 1, "{}", setting.path);
        }
    }
}
