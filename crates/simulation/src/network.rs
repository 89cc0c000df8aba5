//! What lies between the servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use events::ServerName;
use futures_util::StreamExt;
use handles::{Handles, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::ServiceExt;
use transport::client::CallLimits;
use transport::download::{Download, Downloads};
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

    /// How `from` downloads files of others.
    pub fn downloads(&self, from: &ServerName) -> Arc<dyn Downloads> {
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
        let answer = self.reach(from, request, &said).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| broke_off(&to, &error))?.to_bytes();
        self.note(from, &said, &format!("{status} {} bytes", body.len()));
        Ok(Response { status, body, retry_after: None })
    }

    async fn open(&self, from: &ServerName, request: Request) -> Result<Download, ExchangeError> {
        let (to, bytes_max) = (request.destination.clone(), request.response_bytes_max);
        let said = format!("{to} {} {}", request.method, request.path_and_query);
        let answer = self.reach(from, request, &said).await?;
        let (head, body) = answer.into_parts();
        self.note(from, &said, &format!("{} opened", head.status.as_u16()));
        let mut read = 0;
        let body = body.into_data_stream().map(move |piece| {
            let piece = piece.map_err(|error| broke_off(&to, &error))?;
            read += piece.len();
            if read > bytes_max { Err(ExchangeError::TooLarge(to.clone())) } else { Ok(piece) }
        });
        Ok(Download { status: head.status.as_u16(), headers: head.headers, body: body.boxed() })
    }

    async fn reach(
        &self,
        from: &ServerName,
        request: Request,
        said: &str,
    ) -> Result<axum::response::Response, ExchangeError> {
        let to = request.destination.clone();
        let latency = self.0.handles.random.below(LATENCY_MAX_MS);
        self.0.handles.clock.sleep(Duration::from_millis(latency)).await;
        let router = {
            let state = self.lock();
            let is_cut = state.cut.contains(&(from.clone(), to.clone()));
            state.routers.get(&to).filter(|_| !is_cut).cloned()
        };
        let Some(router) = router else {
            self.note(from, said, "unreachable");
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
        match router.oneshot(built).await {
            Ok(answer) => Ok(answer),
            Err(never) => match never {},
        }
    }
}

fn broke_off(server: &ServerName, error: &axum::Error) -> ExchangeError {
    ExchangeError::Unreachable { server: server.clone(), reason: error.to_string() }
}

impl Exchange for Outlet {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(self.network.carry(&self.from, request))
    }

    fn open(&self, request: Request) -> BoxFuture<'_, Result<Download, ExchangeError>> {
        Box::pin(self.network.open(&self.from, request))
    }
}

impl Downloads for Outlet {
    /// Every address leads to the server of its host's name.
    fn open_url<'a>(
        &'a self,
        server: &'a ServerName,
        url: &'a str,
        limits: CallLimits,
    ) -> BoxFuture<'a, Result<Download, ExchangeError>> {
        Box::pin(async move {
            let nowhere =
                || ExchangeError::Unreachable { server: server.clone(), reason: format!("no address: {url}") };
            let uri: http::Uri = url.parse().map_err(|_| nowhere())?;
            let authority = uri.authority().ok_or_else(nowhere)?.as_str();
            let request = Request {
                destination: ServerName::parse(authority).map_err(|_| nowhere())?,
                method: http::Method::GET,
                path_and_query: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                authorization: None,
                body: None,
                timeout: limits.timeout,
                response_bytes_max: limits.response_bytes_max,
            };
            self.network.open(&self.from, request).await
        })
    }
}
