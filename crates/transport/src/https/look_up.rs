//! SRV records, by the system's name servers.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use hickory_resolver::proto::rr::RData;

use crate::discovery::SrvTargets;

/// How long one name server may take. A server without SRV records should not wait long for those who have none to give.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Records of one name that are looked at.
const TARGETS_MAX: usize = 8;

/// Asks for SRV records. Cheap to clone.
#[derive(Clone)]
pub(super) struct LookUp(Option<TokioResolver>);

impl LookUp {
    /// Reads `/etc/resolv.conf`. Without a usable one there are no SRV records.
    pub(super) fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            let options: &mut ResolverOpts = builder.options_mut();
            options.timeout = TIMEOUT;
            options.attempts = 1;
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::warn!("SRV records are not looked up: the system's name service configuration: {error}");
        }
        Self(resolver.ok())
    }

    /// Returns the targets of `name`, best first; empty if there are none or nobody answers.
    pub(super) async fn srv(&self, name: &str) -> SrvTargets {
        let Some(resolver) = &self.0 else { return Vec::new() };
        let found = match resolver.srv_lookup(format!("{name}.")).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!("no SRV records of {name}: {error}");
                return Vec::new();
            }
        };
        let mut records: Vec<(u16, u16, String, u16)> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => {
                    let target = srv.target.to_utf8().trim_end_matches('.').to_owned();
                    Some((srv.priority, u16::MAX - srv.weight, target, srv.port))
                }
                _ => None,
            })
            .collect();
        records.sort();
        // A target of "." says that the service is not there. RFC 2782.
        records.retain(|(_, _, target, _)| !target.is_empty());
        records.into_iter().take(TARGETS_MAX).map(|(_, _, target, port)| (target, port)).collect()
    }
}
