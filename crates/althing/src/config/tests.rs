use super::*;

const MINIMAL: &str = "server_name = \"example.org\"\n";

#[test]
fn defaults_are_those_that_the_documentation_names() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/althing/data"));
    assert_eq!(config.client.listen, ["127.0.0.1:8008".parse().unwrap()]);
    assert_eq!(config.client.public_url, "https://example.org");
    assert_eq!(config.client.serve_well_known, None);
    assert_eq!(config.federation.listen, ["0.0.0.0:8448".parse().unwrap()]);
    assert_eq!(config.federation.tls, Tls::SelfSigned);
    assert_eq!(config.federation.certificates, CertificateCheck::Verify);
    assert!(config.federation.extra_ca_certificates.is_empty() && config.federation.allowed_ip_ranges.is_empty());
    assert_eq!(config.federation.trusted_key_servers, [ServerName::parse("matrix.org").unwrap()]);
    assert!(matches!(config.registration.mode, RegistrationMode::Closed));
    assert_eq!(config.registration.shared_secret, None);
    assert_eq!(config.rooms.default_version, RoomVersion::V12);
    assert_eq!(config.rooms.public_directory, PublicDirectory::Everyone);
    assert_eq!(config.limits, Rates::default());
    assert!(config.client.trusted_proxies.contains(&"127.0.0.0/8".parse().unwrap()));
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Text, "info"));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn the_printed_configuration_is_accepted_and_says_what_is_the_default() {
    let name = ServerName::parse("example.org").unwrap();
    let printed = parse(&template(&name)).unwrap();
    let defaults = parse(MINIMAL).unwrap();
    assert_eq!(format!("{printed:?}"), format!("{defaults:?}"));
}

#[test]
fn the_commented_examples_are_accepted_too() {
    let name = ServerName::parse("example.org").unwrap();
    let uncommented = template(&name).replace("# public_url", "public_url").replace("# certificate", "certificate");
    let config = parse(&uncommented.replace("# private_key", "private_key")).unwrap();
    assert_eq!(config.client.public_url, "https://matrix.example.org");
    let (certificate, private_key) = ("/etc/althing/fullchain.pem".into(), "/etc/althing/key.pem".into());
    assert_eq!(config.federation.tls, Tls::Files { certificate, private_key });
}

#[test]
fn errors_name_the_key_what_stands_there_and_what_should() {
    for (text, expected) in [
        ("", "althing.toml: `server_name` is missing; set it, like `server_name = \"example.org\"`"),
        ("server_name = \"a b\"", "`server_name` is \"a b\"; expected a server name"),
        ("server_nme = \"a.b\"", "there is no `server_nme`; did you mean `server_name`?"),
        ("data_dir = 3", "`data_dir` is 3; expected a text in quotes"),
        ("[client]\nlisten = \"127.0.0.1:80\"", "`client.listen` is \"127.0.0.1:80\"; expected a list of texts"),
        ("[client]\nlisten = [\"localhost\"]", "`client.listen` is \"localhost\"; expected an IP address with a port"),
        ("[client]\nlisten = []", "`client.listen` is \"\"; expected at least one address"),
        ("[client]\nlisten = [1]", "`client.listen` is the list [1]; expected a list of texts"),
        ("[clinet]\nlisten = []", "there is no `clinet.listen`; did you mean `client.listen`?"),
        ("[clinet]", "there is no `clinet`; did you mean `client`?"),
        ("[client.listen]", "`client.listen` is a table; expected a list of texts"),
        ("client = 1", "`client` is 1; expected a table: write [client] on a line of its own"),
        ("[federation]\npublic_url = \"\"", "there is no `federation.public_url`; did you mean `client.public_url`?"),
        ("[federation]\ntls = \"yes\"", "`federation.tls` is \"yes\"; expected true or false"),
        ("[federation]\ncertificate = \"a.pem\"", "`federation.private_key` is \"\"; expected the key of"),
        ("[federation]\nlisten = [\"127.0.0.1:8008\"]", "expected an address that client.listen does not have"),
        ("[federation]\nallowed_ip_ranges = [\"10.0.0.0/33\"]", "`federation.allowed_ip_ranges` is \"10.0.0.0/33\""),
        ("[registration]\nmode = \"opne\"", "`registration.mode` is \"opne\"; expected \"closed\", \"token\" or"),
        ("[registration]\nmode = \"token\"", "expected registration.tokens to have one, or another mode"),
        ("[registration]\nshared_secret = 4711", "`registration.shared_secret` is a secret of type integer; expected"),
        ("[rooms]\ndefault_version = \"13\"", "`rooms.default_version` is \"13\"; expected one of \"1\", \"2\""),
        ("[rooms]\ndefault_version = 12", "`rooms.default_version` is 12; expected a text in quotes"),
        ("[bridges]\nregistration_files = [\"irc.yaml\"]", "expected none: bridges are not supported yet"),
        ("[log]\nfilter = \"loud=very\"", "`log.filter` is \"loud=very\"; expected a level"),
        (
            "[limits]\nmessages = \"many\"",
            "`limits.messages` is \"many\"; expected \"off\", or like \"10 at once, one per",
        ),
        ("[client]\ntrusted_proxies = [\"me\"]", "`client.trusted_proxies` is \"me\"; expected an address with the"),
        ("[limits]\nenabled = 1", "`limits.enabled` is 1; expected true or false"),
        ("server_name = ", "althing.toml is not valid TOML:"),
    ] {
        let text =
            if text.contains("server_n") || text.is_empty() { text.to_owned() } else { format!("{MINIMAL}{text}") };
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gave {error:?}, not {expected:?}");
    }
}

#[test]
fn the_environment_overrides_the_file_in_the_same_types() {
    let config = parse_with(
        MINIMAL,
        &[
            ("ALTHING_SERVER_NAME", "b.example"),
            ("ALTHING_CLIENT__LISTEN", "127.0.0.1:1, [::1]:2"),
            ("ALTHING_FEDERATION__TRUSTED_KEY_SERVERS", "[\"a.example\", 'c.example']"),
            ("ALTHING_FEDERATION__EXTRA_CA_CERTIFICATES", ""),
            ("ALTHING_FEDERATION__TLS", "false"),
            ("ALTHING_LIMITS__ENABLED", "false"),
            ("PATH", "/usr/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.server_name.as_str(), "b.example");
    assert_eq!(config.client.listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(config.federation.trusted_key_servers.len(), 2);
    assert!(config.federation.extra_ca_certificates.is_empty());
    assert_eq!((config.federation.tls, config.limits), (Tls::Proxy, Rates::off()));
}

#[test]
fn each_limit_has_its_own_key() {
    let config =
        parse(&format!("{MINIMAL}[limits]\nmessages = \"3 at once, one per 1 min\"\njoins = \"off\"")).unwrap();
    let mut expected = Rates::default();
    expected.0.insert(Limit::Messages, Rate { burst: 3, interval: std::time::Duration::from_secs(60) });
    expected.0.remove(&Limit::Joins);
    assert_eq!(config.limits, expected);
}

#[test]
fn errors_of_the_environment_name_the_variable() {
    for (name, text, expected) in [
        ("ALTHING_CLIENT__LISEN", "", "there is no `ALTHING_CLIENT__LISEN`; did you mean `ALTHING_CLIENT__LISTEN`?"),
        ("ALTHING_SERVERNAME", "", "did you mean `ALTHING_SERVER_NAME`?"),
        ("ALTHING_FEDERATION__TLS", "on", "environment variable ALTHING_FEDERATION__TLS: `federation.tls` is \"on\""),
        ("ALTHING_CLIENT__LISTEN", "[1", "`client.listen` is \"[1\"; expected texts between commas"),
        ("ALTHING_CLIENT__LISTEN", "here", "environment variable ALTHING_CLIENT__LISTEN: `client.listen` is \"here\""),
    ] {
        let error = parse_with(MINIMAL, &[(name, text)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}={text} gave {error:?}, not {expected:?}");
    }
}

#[test]
fn a_variable_that_others_set_is_only_a_warning() {
    let config = parse_with(MINIMAL, &[("ALTHING_PORT", "tcp://10.0.0.1:8008")]).unwrap();
    assert_eq!(config.warnings, ["the environment variable ALTHING_PORT overrides no key of the configuration"]);
}

#[test]
fn the_public_url_follows_what_is_known() {
    for (client, expected) in [
        ("public_url = \"https://m.example.org/\"", "https://m.example.org"),
        ("serve_well_known = \"m.example.org:443\"", "https://m.example.org"),
        ("serve_well_known = \"m.example.org:4430\"", "https://m.example.org:4430"),
    ] {
        assert_eq!(parse(&format!("{MINIMAL}[client]\n{client}")).unwrap().client.public_url, expected);
    }
    assert!(parse(&format!("{MINIMAL}[client]\npublic_url = \"m.example.org\"")).is_err());
}

#[test]
fn what_is_set_without_effect_is_a_warning() {
    let text = format!(
        "{MINIMAL}[federation]\ntls = false\ncertificate = \"a.pem\"\nprivate_key = \"b.pem\"\n\
         [registration]\ntokens = [\"t\"]"
    );
    let warnings = parse(&text).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, &[])
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text)));
    Config::parse(Path::new("/etc/althing/althing.toml"), text, variables)
}
