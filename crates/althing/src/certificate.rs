//! Certificates that we make ourselves: for trying out, and for the demonstration.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use events::ServerName;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("a certificate for {server} cannot be made: {reason}")]
    Making { server: ServerName, reason: rcgen::Error },
    #[error("cannot write {path}: {reason}", path = path.display())]
    Writing { path: PathBuf, reason: std::io::Error },
}

/// The two PEM files of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

/// Makes a certificate for `server`, signed by itself, unless both files are there.
pub(crate) fn self_signed(server: &ServerName, files: &Files) -> Result<(), CertificateError> {
    if files.certificate.exists() && files.private_key.exists() {
        return Ok(());
    }
    let making = |reason| CertificateError::Making { server: server.clone(), reason };
    let key = KeyPair::generate().map_err(making)?;
    let certificate = parameters(server).map_err(making)?.self_signed(&key).map_err(making)?;
    tracing::warn!(
        "Made a self-signed certificate for {server}: good for trying out, other servers do not accept it. Set \
         federation.certificate and federation.private_key, or stand behind a reverse proxy."
    );
    write(files, &certificate.pem(), &key)
}

/// A certificate authority of our own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    /// Makes one, and writes its certificate to `file`.
    pub(crate) fn new(file: PathBuf) -> Result<Self, CertificateError> {
        let name = ServerName::parse("localhost").expect("it is a DNS name");
        let making = |reason| CertificateError::Making { server: name.clone(), reason };
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Althing demonstration");
        let key = KeyPair::generate().map_err(making)?;
        let issuer = CertifiedIssuer::self_signed(parameters, key).map_err(making)?;
        std::fs::write(&file, issuer.pem())
            .map_err(|reason| CertificateError::Writing { path: file.clone(), reason })?;
        Ok(Self { issuer, file })
    }

    /// Where the authority's certificate lies.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Makes a certificate for `server`.
    pub(crate) fn issue(&self, server: &ServerName, files: &Files) -> Result<(), CertificateError> {
        let making = |reason| CertificateError::Making { server: server.clone(), reason };
        let key = KeyPair::generate().map_err(making)?;
        let certificate = parameters(server).map_err(making)?.signed_by(&key, &self.issuer).map_err(making)?;
        write(files, &certificate.pem(), &key)
    }
}

fn parameters(server: &ServerName) -> Result<CertificateParams, rcgen::Error> {
    let host = server.host().trim_start_matches('[').trim_end_matches(']');
    let mut parameters = CertificateParams::new([host.to_owned()])?;
    parameters.distinguished_name.push(DnType::CommonName, host);
    Ok(parameters)
}

fn write(files: &Files, certificate: &str, key: &KeyPair) -> Result<(), CertificateError> {
    let writing = |path: &Path| {
        let path = path.to_owned();
        move |reason| CertificateError::Writing { path, reason }
    };
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&files.private_key).map_err(writing(&files.private_key))?;
    file.write_all(key.serialize_pem().as_bytes()).map_err(writing(&files.private_key))?;
    std::fs::write(&files.certificate, certificate).map_err(writing(&files.certificate))
}
