//! Our certificate, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use handles::Handles;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::https::{TlsError, read_certificates};

/// How often certificate files are looked at.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);

/// A certificate that is read again when its files change.
pub struct Certificate {
    certificate: PathBuf,
    private_key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    looked: Mutex<Looked>,
}

/// When each file had last changed, and the error that the operator was told of then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    changed: [Option<SystemTime>; 2],
    error: Option<String>,
}

impl Certificate {
    /// Reads the two PEM files.
    pub fn read(certificate: PathBuf, private_key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let changed = changed(&certificate, &private_key);
        let current = RwLock::new(load(&certificate, &private_key)?);
        Ok(Arc::new(Self { certificate, private_key, current, looked: Mutex::new(Looked { changed, error: None }) }))
    }

    /// Looks at the files now and then, in the background. A pair that cannot be used is reported and left alone.
    pub fn watch(self: &Arc<Self>, handles: &Handles) {
        let (this, clock) = (Arc::clone(self), handles.clock.clone());
        handles.tasks.spawn("certificate", async move {
            loop {
                clock.sleep(CERTIFICATE_POLL).await;
                this.read_again_if_changed();
            }
        });
    }

    fn read_again_if_changed(&self) {
        let changed = changed(&self.certificate, &self.private_key);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // What failed is tried again: the files may have been read while one of them was being written.
        if changed == looked.changed && looked.error.is_none() {
            return;
        }
        let error = match load(&self.certificate, &self.private_key) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!("The certificate {} was read again", self.certificate.display());
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = error.as_ref().filter(|error| looked.error.as_ref() != Some(*error)) {
            tracing::error!("the certificate has changed but cannot be used, the old one stays: {error}");
        }
        *looked = Looked { changed, error };
    }

    /// The server's side of TLS with this certificate: HTTP/2 and HTTP/1.1.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.certificate.display())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn load(certificate: &Path, private_key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = read_certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(private_key)
        .map_err(|error| TlsError::File { path: private_key.to_owned(), reason: error.to_string() })?;
    let pair = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider());
    let pair = pair.map_err(|reason| TlsError::NoPair {
        certificate: certificate.to_owned(),
        private_key: private_key.to_owned(),
        reason,
    })?;
    Ok(Arc::new(pair))
}

/// When each file last changed; `None` if it is not there.
fn changed(certificate: &Path, private_key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, private_key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}
