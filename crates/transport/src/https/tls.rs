//! Whom to believe: certificate authorities of the system and of the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::HttpsConfig;

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds something else.
    #[error("the certificate file {path}: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate and a key that are not a pair.
    #[error("the certificate {certificate} and the private key {private_key} are no pair: {reason}", certificate = certificate.display(), private_key = private_key.display())]
    NoPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
        /// What the TLS library says.
        reason: rustls::Error,
    },
    /// The TLS library refuses the configuration.
    #[error("TLS: {0}")]
    Config(#[from] rustls::Error),
}

/// The client's side: HTTP/2 and HTTP/1.1.
///
/// # Errors
/// If a file of certificate authorities cannot be read, or the TLS library refuses the configuration.
pub fn client_config(config: &HttpsConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut tls = if config.verify_certificates {
        builder.with_root_certificates(certificate_authorities(&config.extra_ca_certificates)?).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider))).with_no_client_auth()
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// Returns the certificate authorities of the system, and those of the PEM files `extra`.
pub fn certificate_authorities(extra: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!("a certificate authority of the system cannot be read: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    for path in extra {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::File { path: path.clone(), reason: error.to_string() })?;
        }
    }
    Ok(roots)
}

/// Reads all certificates of a PEM file.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused =
        |error: rustls::pki_types::pem::Error| TlsError::File { path: path.to_owned(), reason: error.to_string() };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(refused)?.collect();
    let all = all.map_err(refused)?;
    if all.is_empty() {
        return Err(TlsError::File { path: path.to_owned(), reason: "it holds no certificate in PEM".to_owned() });
    }
    Ok(all)
}

/// Accepts every certificate: `federation.verify_certificates = false`.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
