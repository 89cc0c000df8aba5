//! The configuration: one TOML file, and environment variables over it.

mod environment;
mod error;
mod nearest;
mod secret;
mod setting;
mod template;
mod values;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use events::{RoomVersion, ServerName};
use ipnet::IpNet;
use users::rate_limits::{Limit, Rate, Rates};

pub(crate) use error::ConfigError;
pub(crate) use secret::Secret;
pub(crate) use template::template;
use values::Values;

/// Where the configuration is read from when nobody says where.
pub(crate) const DEFAULT_FILE: &str = "althing.toml";

/// What the configuration says, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Our name.
    pub(crate) server_name: ServerName,
    /// The folder of everything that must be backed up.
    pub(crate) data_dir: PathBuf,
    /// How clients reach us.
    pub(crate) client: Client,
    /// How we meet other servers.
    pub(crate) federation: Federation,
    /// Who may make an account.
    pub(crate) registration: Registration,
    /// What new rooms are like.
    pub(crate) rooms: Rooms,
    /// Files.
    pub(crate) media: Media,
    /// Rate limits.
    pub(crate) limits: Rates,
    /// What is logged.
    pub(crate) log: Log,
    /// What is not wrong but worth a look, in words.
    pub(crate) warnings: Vec<String>,
}

/// `[client]`
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Where plain HTTP is served.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where clients reach us from outside, without a slash at the end.
    pub(crate) public_url: String,
    /// What to answer at `/.well-known/matrix/server`, if we are to answer there.
    pub(crate) serve_well_known: Option<ServerName>,
    /// Who is believed about the addresses of clients.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// `[federation]`
#[derive(Debug, Clone)]
pub(crate) struct Federation {
    /// Where other servers connect.
    pub(crate) listen: Vec<SocketAddr>,
    /// How their connections are secured.
    pub(crate) tls: Tls,
    /// Whether certificates of other servers are checked.
    pub(crate) certificates: CertificateCheck,
    /// Authorities to trust beside the usual ones.
    pub(crate) extra_ca_certificates: Vec<PathBuf>,
    /// Private ranges that outbound requests may reach.
    pub(crate) allowed_ip_ranges: Vec<IpNet>,
    /// Whom to ask for keys of others.
    pub(crate) trusted_key_servers: Vec<ServerName>,
    /// How much one server may have us store in a day; `None`: as much as it likes.
    pub(crate) bytes_per_day_max: Option<u64>,
}

/// How connections of other servers are secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all: a reverse proxy does it. The client port serves federation too.
    Proxy,
    /// By a certificate that we made ourselves.
    SelfSigned,
    /// By the certificate of these files.
    Files {
        /// The chain, as PEM.
        certificate: PathBuf,
        /// Its key, as PEM.
        private_key: PathBuf,
    },
}

/// Whether certificates of other servers are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateCheck {
    /// Yes.
    Verify,
    /// No: anybody on the way can pretend to be anybody.
    AcceptAll,
}

/// `[registration]`
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// Who may register.
    pub(crate) mode: RegistrationMode,
    /// Opens the admin registration, if there is one.
    pub(crate) shared_secret: Option<Secret>,
}

/// Who may register.
#[derive(Debug, Clone)]
pub(crate) enum RegistrationMode {
    /// Nobody.
    Closed,
    /// Who has one of these.
    Token(Vec<Secret>),
    /// Everybody.
    Open,
}

/// `[rooms]`
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    /// The version of rooms whose creator asks for none.
    pub(crate) default_version: RoomVersion,
    /// Who may publish rooms.
    pub(crate) public_directory: PublicDirectory,
}

/// Who may publish rooms in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicDirectory {
    /// Every local user.
    Everyone,
    /// Only administrators.
    Admins,
    /// Nobody.
    Nobody,
}

/// `[media]`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Media {
    /// The largest file that is uploaded or fetched.
    pub(crate) upload_bytes_max: u64,
    /// How large the copies of files of other servers may become together.
    pub(crate) cache_bytes_max: u64,
}

/// `[log]`
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// How a line looks.
    pub(crate) format: LogFormat,
    /// What is logged, as directives: `info,transport=debug`.
    pub(crate) filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

impl Config {
    /// Reads `file`, and the environment of this process over it.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::Unreadable { path: file.to_owned(), reason: error.to_string() })?;
        Self::parse(file, &text, std::env::vars_os())
    }

    /// Reads `text` as the content of `file`, and `variables` over it.
    pub(crate) fn parse(
        file: &Path,
        text: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let (mut values, mut warnings) = Values::collect(file, text, variables)?;
        let server_name = values.parsed("server_name", SERVER_NAME, parse_server_name)?;
        let data_dir = values.text("data_dir")?;
        let config = Self {
            data_dir: values.file_path(&data_dir),
            client: read_client(&mut values, &server_name)?,
            federation: read_federation(&mut values, &mut warnings)?,
            registration: read_registration(&mut values, &mut warnings)?,
            rooms: read_rooms(&mut values)?,
            media: read_media(&mut values)?,
            limits: read_limits(&mut values)?,
            log: read_log(&mut values)?,
            server_name,
            warnings,
        };
        refuse_bridges(&mut values)?;
        refuse_shared_addresses(&config, &values)?;
        assert!(values.unread().is_empty(), "every key in the table of settings is read above: {:?}", values.unread());
        Ok(config)
    }
}

const ADDRESSES: &str = "an IP address with a port, like \"127.0.0.1:8008\" or \"[::]:8448\"";
const IP_RANGES: &str = "an address with the length of its prefix, like \"10.0.0.0/8\" or \"::1/128\"";
const SERVER_NAME: &str = "a server name, like \"example.org\" or \"example.org:8448\"";

fn read_client(values: &mut Values, server_name: &ServerName) -> Result<Client, ConfigError> {
    let listen = values.parsed_list("client.listen", ADDRESSES, |text| text.parse().ok())?;
    if listen.is_empty() {
        return Err(values.wrong("client.listen", "", "at least one address"));
    }
    let serve_well_known = values.parsed(
        "client.serve_well_known",
        "empty, or a host with a port, like \"matrix.example.org:443\"",
        |text| {
            if text.is_empty() { Some(None) } else { parse_server_name(text).map(Some) }
        },
    )?;
    let public_url = match values.optional_text("client.public_url").filter(|url| !url.is_empty()) {
        Some(url) => parse_url(&url).ok_or_else(|| {
            values.wrong("client.public_url", &url, "a URL without a query, like \"https://matrix.example.org\"")
        })?,
        None => {
            let authority = serve_well_known.as_ref().unwrap_or(server_name).as_str();
            format!("https://{}", authority.strip_suffix(":443").unwrap_or(authority))
        }
    };
    let trusted_proxies = values.parsed_list("client.trusted_proxies", IP_RANGES, parse_ip_range)?;
    Ok(Client { listen, public_url, serve_well_known, trusted_proxies })
}

fn read_federation(values: &mut Values, warnings: &mut Vec<String>) -> Result<Federation, ConfigError> {
    let certificates = if values.flag("federation.verify_certificates") {
        CertificateCheck::Verify
    } else {
        warnings
            .push("federation.verify_certificates is false: anybody on the way can pretend to be any server".into());
        CertificateCheck::AcceptAll
    };
    Ok(Federation {
        listen: values.parsed_list("federation.listen", ADDRESSES, |text| text.parse().ok())?,
        tls: read_tls(values, warnings)?,
        certificates,
        extra_ca_certificates: {
            let files = values.list("federation.extra_ca_certificates");
            files.iter().map(|file| values.file_path(file)).collect()
        },
        allowed_ip_ranges: values.parsed_list("federation.allowed_ip_ranges", IP_RANGES, parse_ip_range)?,
        trusted_key_servers: values.parsed_list("federation.trusted_key_servers", SERVER_NAME, parse_server_name)?,
        bytes_per_day_max: read_stored_from_server(values)?,
    })
}

fn read_tls(values: &mut Values, warnings: &mut Vec<String>) -> Result<Tls, ConfigError> {
    let certificate = values.optional_text("federation.certificate").filter(|file| !file.is_empty());
    let private_key = values.optional_text("federation.private_key").filter(|file| !file.is_empty());
    if !values.flag("federation.tls") {
        if certificate.is_some() || private_key.is_some() {
            warnings.push("federation.tls is false: the certificate and the private key are not used".into());
        }
        return Ok(Tls::Proxy);
    }
    match (certificate, private_key) {
        (None, None) => Ok(Tls::SelfSigned),
        (Some(certificate), Some(private_key)) => {
            Ok(Tls::Files { certificate: values.file_path(&certificate), private_key: values.file_path(&private_key) })
        }
        (Some(_), None) => {
            Err(values.wrong("federation.private_key", "", "the key of federation.certificate: set both or none"))
        }
        (None, Some(_)) => Err(values.wrong(
            "federation.certificate",
            "",
            "the certificate of federation.private_key: set both or none",
        )),
    }
}

fn read_registration(values: &mut Values, warnings: &mut Vec<String>) -> Result<Registration, ConfigError> {
    let tokens: Vec<Secret> = values.list("registration.tokens").into_iter().map(Secret::new).collect();
    let mode = values.text("registration.mode")?;
    let mode = match mode.as_str() {
        "closed" => RegistrationMode::Closed,
        "open" => RegistrationMode::Open,
        "token" if tokens.is_empty() => {
            return Err(values.wrong("registration.mode", &mode, "registration.tokens to have one, or another mode"));
        }
        "token" => RegistrationMode::Token(tokens.clone()),
        other => return Err(values.wrong("registration.mode", other, "\"closed\", \"token\" or \"open\"")),
    };
    if !tokens.is_empty() && !matches!(mode, RegistrationMode::Token(_)) {
        warnings.push("registration.tokens are not used unless registration.mode is \"token\"".into());
    }
    let shared_secret = values.text("registration.shared_secret")?;
    Ok(Registration { mode, shared_secret: (!shared_secret.is_empty()).then(|| Secret::new(shared_secret)) })
}

fn read_rooms(values: &mut Values) -> Result<Rooms, ConfigError> {
    let versions: Vec<String> = RoomVersion::ALL.iter().map(|version| format!("\"{version}\"")).collect();
    Ok(Rooms {
        default_version: values.parsed(
            "rooms.default_version",
            &format!("one of {}", versions.join(", ")),
            RoomVersion::parse,
        )?,
        public_directory: values.parsed(
            "rooms.public_directory",
            "\"everyone\", \"admins\" or \"nobody\"",
            |text| match text {
                "everyone" => Some(PublicDirectory::Everyone),
                "admins" => Some(PublicDirectory::Admins),
                "nobody" => Some(PublicDirectory::Nobody),
                _ => None,
            },
        )?,
    })
}

fn read_media(values: &mut Values) -> Result<Media, ConfigError> {
    const SIZE: &str = "a size, like \"50 MiB\" or \"10 GiB\"";
    let media = Media {
        upload_bytes_max: values.parsed("media.upload_size_max", SIZE, parse_size)?,
        cache_bytes_max: values.parsed("media.cache_size_max", SIZE, parse_size)?,
    };
    if media.cache_bytes_max < media.upload_bytes_max {
        let cache = values.text("media.cache_size_max")?;
        return Err(values.wrong("media.cache_size_max", &cache, "at least media.upload_size_max"));
    }
    Ok(media)
}

fn read_limits(values: &mut Values) -> Result<Rates, ConfigError> {
    let mut rates = Rates::off();
    for limit in Limit::ALL {
        let path = limit_path(limit);
        if let Some(rate) = values.parsed(path, "\"off\", or like \"10 at once, one per 5 s\"", Rate::parse)? {
            rates.0.insert(limit, rate);
        }
    }
    Ok(if values.flag("limits.enabled") { rates } else { Rates::off() })
}

/// How much one server may have us store in a day: enough for several transactions of the largest kind.
fn read_stored_from_server(values: &mut Values) -> Result<Option<u64>, ConfigError> {
    const PATH: &str = "limits.stored_from_server";
    const LEAST: u64 = 64 << 20;
    let off_or_size = |text: &str| match text {
        "off" => Some(None),
        size => parse_size(size).filter(|bytes| *bytes >= LEAST).map(Some),
    };
    let bytes = values.parsed(PATH, "\"off\", or a size of at least 64 MiB, like \"2 GiB\"", off_or_size)?;
    Ok(bytes.filter(|_| values.flag("limits.enabled")))
}

fn limit_path(limit: Limit) -> &'static str {
    match limit {
        Limit::LoginFailuresPerUser => "limits.login_failures_per_user",
        Limit::LoginFailuresPerAddress => "limits.login_failures_per_address",
        Limit::RegistrationsPerAddress => "limits.registrations_per_address",
        Limit::RegistrationChecksPerAddress => "limits.registration_checks_per_address",
        Limit::Messages => "limits.messages",
        Limit::Joins => "limits.joins",
        Limit::Invites => "limits.invites",
        Limit::RoomCreations => "limits.room_creations",
        Limit::KeyClaims => "limits.key_claims",
        Limit::ProfileChanges => "limits.profile_changes",
        Limit::Uploads => "limits.uploads",
        Limit::InvitesFromServer => "limits.invites_from_server",
        Limit::InvitesFromServerToUser => "limits.invites_from_server_to_user",
    }
}

fn read_log(values: &mut Values) -> Result<Log, ConfigError> {
    Ok(Log {
        format: values.parsed("log.format", "\"text\" or \"json\"", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })?,
        filter: values.parsed(
            "log.filter",
            "a level, like \"info\", or levels of parts, like \"info,transport=debug\"",
            |text| crate::logging::parse_filter(text).map(|_| text.to_owned()),
        )?,
    })
}

/// Application services do not exist here; who lists one expects it to work.
fn refuse_bridges(values: &mut Values) -> Result<(), ConfigError> {
    match values.list("bridges.registration_files").first() {
        Some(file) => Err(values.wrong("bridges.registration_files", file, "none: bridges are not supported yet")),
        None => Ok(()),
    }
}

/// One address cannot serve both TLS and plain HTTP.
fn refuse_shared_addresses(config: &Config, values: &Values) -> Result<(), ConfigError> {
    // Port 0 is whichever is free.
    let given = config.federation.listen.iter().filter(|address| address.port() != 0);
    let shared = given.into_iter().find(|address| config.client.listen.contains(address));
    match (shared, &config.federation.tls) {
        (None, Tls::Proxy | Tls::SelfSigned | Tls::Files { .. }) | (Some(_), Tls::Proxy) => Ok(()),
        (Some(address), Tls::SelfSigned | Tls::Files { .. }) => Err(values.wrong(
            "federation.listen",
            &address.to_string(),
            "an address that client.listen does not have; with tls = false the client port serves both",
        )),
    }
}

fn parse_server_name(text: &str) -> Option<ServerName> {
    ServerName::parse(text).ok()
}

/// An address alone is a range of one.
fn parse_ip_range(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

/// Returns bytes.
fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1_u64 << 40,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
    // The database counts in signed numbers.
    i64::try_from(bytes).ok().map(|_| bytes)
}

fn parse_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let is_url = ServerName::parse(authority).is_ok() && !rest.contains(['?', '#', ' ']);
    is_url.then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
