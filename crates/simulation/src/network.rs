//! What lies between the servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use events::ServerName;
use handles::{Handles, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::ServiceExt;
use transport::exchange::{BoxFuture, Exchange, ExchangeError, Request, Response};

/// The longest that a request takes on its way.
const LATENCY_MAX_MS: u64 = 50;

/// Carries requests between servers. Cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    handles: Handles,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    routers: BTreeMap<ServerName, Router>,
    /// Pairs that cannot reach each other, in both orders.
    cut: BTreeSet<(ServerName, ServerName)>,
    trace: Vec<String>,
}

/// The network as one server reaches others through it.
struct Outlet {
    network: Network,
    from: ServerName,
}

impl Network {
    /// A network whose delays are drawn from the randomness of `handles`.
    pub fn new(handles: Handles) -> Self {
        Self(Arc::new(Shared { handles, state: Mutex::default() }))
    }

    /// How `from` reaches others.
    pub fn outlet(&self, from: &ServerName) -> Arc<dyn Exchange> {
        Arc::new(Outlet { network: self.clone(), from: from.clone() })
    }

    /// Puts a server into the network.
    pub fn attach(&self, name: &ServerName, router: Router) {
        self.lock().routers.insert(name.clone(), router);
    }

    /// Cuts the link between two servers.
    pub fn cut(&self, one: &ServerName, other: &ServerName) {
        self.lock().cut.extend([(one.clone(), other.clone()), (other.clone(), one.clone())]);
    }

    /// Mends all links.
    pub fn heal(&self) {
        self.lock().cut.clear();
    }

    /// Every request and its outcome, in order: time, from, to, method, path, status.
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, from: &ServerName, request: &str, outcome: &str) {
        let now: Timestamp = self.0.handles.clock.now();
        self.lock().trace.push(format!("{now} {from} {request} {outcome}"));
    }

    async fn carry(&self, from: &ServerName, request: Request) -> Result<Response, ExchangeError> {
        let to = request.destination.clone();
        let said = format!("{to} {} {}", request.method, request.path_and_query);
        let latency = self.0.handles.random.below(LATENCY_MAX_MS);
        self.0.handles.clock.sleep(Duration::from_millis(latency)).await;
        let router = {
            let state = self.lock();
            let is_cut = state.cut.contains(&(from.clone(), to.clone()));
            state.routers.get(&to).filter(|_| !is_cut).cloned()
        };
        let Some(router) = router else {
            self.note(from, &said, "unreachable");
            return Err(ExchangeError::Unreachable { server: to, reason: "the link is cut".to_owned() });
        };
        let mut built = http::Request::builder().method(request.method).uri(request.path_and_query);
        if let Some(authorization) = request.authorization {
            built = built.header(AUTHORIZATION, authorization);
        }
        let unreachable = |reason: String| ExchangeError::Unreachable { server: to.clone(), reason };
        let built = built
            .header(CONTENT_TYPE, "application/json")
            .body(request.body.map_or_else(Body::empty, Body::from))
            .map_err(|error| unreachable(error.to_string()))?;
        let answer = match router.oneshot(built).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        self.note(from, &said, &format!("{status} {} bytes", body.len()));
        Ok(Response { status, body, retry_after: None })
    }
}

impl Exchange for Outlet {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(self.network.carry(&self.from, request))
    }
}
