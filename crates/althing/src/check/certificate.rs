//! Whether other servers accept our certificate: asked of the same verifier that ours use.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use handles::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use transport::https::{certificate_authorities, read_certificates};
use transport::listener::Certificate;

use super::Report;
use crate::config::{Config, Tls};

/// Somebody should renew a certificate that ends earlier than this.
const RENEW_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Checks the certificate for `expected_name`, the name under which other servers come to us.
pub(super) fn check(config: &Config, expected_name: &str, now: Timestamp, report: &mut Report) {
    let (certificate, private_key) = match &config.federation.tls {
        Tls::Proxy => {
            report.good("certificate", &"the reverse proxy has it");
            return;
        }
        Tls::SelfSigned => {
            report.warning(
                "certificate",
                &"self-signed: for trying out, other servers refuse it; set federation.certificate and \
                  federation.private_key, or stand behind a reverse proxy",
            );
            return;
        }
        Tls::Files { certificate, private_key } => (certificate, private_key),
    };
    if let Err(error) = Certificate::read(certificate.clone(), private_key.clone()) {
        report.problem("certificate", &error);
        return;
    }
    let now = Duration::from_millis(u64::try_from(now).unwrap_or_default());
    let verify = |at: Duration| verify(config, certificate, expected_name, UnixTime::since_unix_epoch(at));
    match (verify(now), verify(now + RENEW_BEFORE)) {
        (Ok(()), Ok(())) => {
            report.good("certificate", &format!("{} is valid for {expected_name}", certificate.display()));
        }
        (Ok(()), Err(reason)) => {
            report.warning("certificate", &format!("{} must be renewed soon: {reason}", certificate.display()));
        }
        (Err(reason), _) => {
            let file = certificate.display();
            report.problem("certificate", &format!("other servers refuse {file} for {expected_name}: {reason}"));
        }
    }
}

fn verify(config: &Config, file: &Path, expected_name: &str, at: UnixTime) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let chain: Vec<CertificateDer<'static>> = read_certificates(file).map_err(|error| text(&error))?;
    let (own, others) = chain.split_first().ok_or("it holds no certificate")?;
    let authorities =
        certificate_authorities(&config.federation.extra_ca_certificates).map_err(|error| text(&error))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider).build();
    let verifier = verifier.map_err(|error| text(&error))?;
    let name = ServerName::try_from(expected_name.to_owned()).map_err(|error| text(&error))?;
    verifier.verify_server_cert(own, others, &name, &[], at).map(|_| ()).map_err(|error| text(&error))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::certificate::{Authority, Files};

    /// 2026-06-01.
    const NOW: Timestamp = 1_780_272_000_000;
    /// What rcgen gives certificates: until the year 4096.
    const LONG_AFTER: Timestamp = 70_000_000_000_000;

    #[test]
    fn a_certificate_is_judged_as_other_servers_judge_it() {
        for (issued_for, expected_name, at, expected) in [
            ("matrix.test", "matrix.test", NOW, "ok    certificate"),
            ("matrix.test", "example.test", NOW, "MEND  certificate"),
            ("matrix.test", "matrix.test", LONG_AFTER, "MEND  certificate"),
        ] {
            let found = look(issued_for, expected_name, at);
            assert!(found.starts_with(expected), "{issued_for} for {expected_name}: {found}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        check(&config(folder.path()), "matrix.test", NOW, &mut report);
        assert!(report.has_problems() && report.to_string().contains("chain.pem"), "{report}");
    }

    fn look(issued_for: &str, expected_name: &str, at: Timestamp) -> String {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path().join("authority.pem")).unwrap();
        let files = Files { certificate: folder.path().join("chain.pem"), private_key: folder.path().join("key.pem") };
        authority.issue(&events::ServerName::parse(issued_for).unwrap(), &files).unwrap();
        let mut report = Report::default();
        check(&config(folder.path()), expected_name, at, &mut report);
        report.to_string()
    }

    fn config(folder: &Path) -> Config {
        let text = "server_name = \"example.test\"\n[federation]\ncertificate = \"chain.pem\"\n\
                    private_key = \"key.pem\"\nextra_ca_certificates = [\"authority.pem\"]\n";
        Config::parse(&folder.join("althing.toml"), text, std::iter::empty::<(OsString, OsString)>()).unwrap()
    }
}
