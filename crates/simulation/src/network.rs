//! What lies between the servers: it is slow, loses, doubles and mangles what it carries, and can be cut.

mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use events::ServerName;
use futures_util::StreamExt;
use handles::{Handles, Tasks};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::ServiceExt;
use transport::client::CallLimits;
use transport::download::{Download, Downloads};
use transport::exchange::{BoxFuture, Exchange, ExchangeError, Request, Response};

pub use faults::Weather;
use faults::{Luck, Mischief};

use crate::log;
use crate::transactions::TransactionWatch;

/// Carries requests between servers. Cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    handles: Handles,
    state: Mutex<State>,
}

/// Makes another answer of one, knowing what was asked.
pub type Tamper = Arc<dyn Fn(&str, Bytes) -> Bytes + Send + Sync>;

#[derive(Default)]
struct State {
    nodes: BTreeMap<ServerName, Node>,
    /// Who cannot reach whom.
    cut: BTreeSet<(ServerName, ServerName)>,
    weather: Weather,
    /// Who answers something else than they would.
    tampered: BTreeMap<ServerName, Tamper>,
    trace: Vec<String>,
    transactions: TransactionWatch,
}

/// A server that is on.
#[derive(Clone)]
struct Node {
    router: Router,
    /// Its tasks: what it was asked ends with it.
    tasks: Tasks,
    /// In which it answers.
    span: tracing::Span,
}

/// The network as one server reaches others through it.
struct Outlet {
    network: Network,
    from: ServerName,
}

impl Network {
    /// A network whose delays and faults are drawn from the randomness of `handles`.
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

    /// Puts a server into the network. What it is asked runs among its tasks.
    pub fn attach(&self, name: &ServerName, router: Router, tasks: Tasks) {
        self.lock().nodes.insert(name.clone(), Node { router, tasks, span: log::span_of(name.as_str()) });
    }

    /// From now on nobody reaches the server.
    pub fn detach(&self, name: &ServerName) {
        let mut state = self.lock();
        state.nodes.remove(name);
        state.transactions.sender_ended(name);
    }

    /// Cuts the link between two servers.
    pub fn cut(&self, one: &ServerName, other: &ServerName) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// From now on `from` does not reach `to`, whatever `to` reaches.
    pub fn cut_one_way(&self, from: &ServerName, to: &ServerName) {
        self.lock().cut.insert((from.clone(), to.clone()));
    }

    /// Mends all links.
    pub fn heal(&self) {
        self.lock().cut.clear();
    }

    /// From now on a server answers what `tamper` makes of its answers.
    pub fn tamper(&self, server: &ServerName, tamper: Tamper) {
        self.lock().tampered.insert(server.clone(), tamper);
    }

    /// From now on nobody wonders about the transactions of a server.
    pub(crate) fn expect_anything_of(&self, server: &ServerName) {
        self.lock().transactions.expect_anything_of(server);
    }

    /// From now on requests fare so.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// Every request and its outcome, and what was noted, in order.
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    /// What is wrong with the transactions that were carried.
    pub fn wrong_transactions(&self) -> Vec<String> {
        self.lock().transactions.problems().to_vec()
    }

    /// Adds a line to the trace: the time, and what happened to whom.
    pub fn note(&self, who: &str, what: &str) {
        let now = self.0.handles.clock.monotonic().as_millis();
        self.lock().trace.push(format!("{:>8}.{:03} {who:<8} {what}", now / 1000, now % 1000));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry(&self, from: &ServerName, request: Request) -> Result<Response, ExchangeError> {
        let (to, said) = (request.destination.clone(), said(&request));
        let limit = self.0.handles.clock.sleep(request.timeout);
        let whole = async {
            let answer = self.reach(from, request, &said).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|error| broke_off(&to, &error))?.to_bytes();
            self.note(from.as_str(), &format!("{said} {status} {} bytes", body.len()));
            Ok(Response { status, body, retry_after: None })
        };
        tokio::select! {
            biased;
            answer = whole => answer,
            () = limit => {
                self.note(from.as_str(), &format!("{said} timed out"));
                Err(ExchangeError::TimedOut(to.clone()))
            }
        }
    }

    async fn open(&self, from: &ServerName, request: Request) -> Result<Download, ExchangeError> {
        let (to, bytes_max) = (request.destination.clone(), request.response_bytes_max);
        let said = said(&request);
        let limit = self.0.handles.clock.sleep(request.timeout);
        let answer = tokio::select! {
            biased;
            answer = self.reach(from, request, &said) => answer?,
            () = limit => {
                self.note(from.as_str(), &format!("{said} timed out"));
                return Err(ExchangeError::TimedOut(to));
            }
        };
        let (head, body) = answer.into_parts();
        self.note(from.as_str(), &format!("{said} {} opened", head.status.as_u16()));
        let mut read = 0;
        let body = body.into_data_stream().map(move |piece| {
            let piece = piece.map_err(|error| broke_off(&to, &error))?;
            read += piece.len();
            if read > bytes_max { Err(ExchangeError::TooLarge(to.clone())) } else { Ok(piece) }
        });
        Ok(Download { status: head.status.as_u16(), headers: head.headers, body: body.boxed() })
    }

    /// Brings a request to its server and the head of the answer back, as far as luck has it.
    async fn reach(
        &self,
        from: &ServerName,
        request: Request,
        said: &str,
    ) -> Result<axum::response::Response, ExchangeError> {
        let (clock, random) = (&self.0.handles.clock, &self.0.handles.random);
        let to = request.destination.clone();
        let luck = self.lock().weather.draw(&**random);
        clock.sleep(luck.there).await;
        if let Mischief::LostThere = luck.mischief {
            self.note(from.as_str(), &format!("{said} is lost"));
            std::future::pending::<()>().await;
        }
        let flight = self.lock().transactions.begins(from, &request);
        let answer = self.ask(from, &request, said, &luck).await;
        if let Some(flight) = flight {
            self.lock().transactions.ends(&flight);
        }
        let answer = self.tampered(&request, answer?).await;
        clock.sleep(luck.back).await;
        match luck.mischief {
            Mischief::LostBack => {
                self.note(from.as_str(), &format!("{said}: the answer is lost"));
                std::future::pending().await
            }
            Mischief::Broken(broken) => {
                self.note(from.as_str(), &format!("{said}: the answer is {broken:?}"));
                faults::break_answer(answer, broken, &to).await
            }
            Mischief::None | Mischief::LostThere | Mischief::Doubled => Ok(answer),
        }
    }

    /// What becomes of an answer on its way, if somebody tampers with it.
    async fn tampered(&self, request: &Request, answer: axum::response::Response) -> axum::response::Response {
        let tamper = self.lock().tampered.get(&request.destination).cloned();
        let Some(tamper) = tamper else { return answer };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        axum::response::Response::from_parts(head, Body::from(tamper(&request.path_and_query, body)))
    }

    /// Has the server answer, among its own tasks.
    async fn ask(
        &self,
        from: &ServerName,
        request: &Request,
        said: &str,
        luck: &Luck,
    ) -> Result<axum::response::Response, ExchangeError> {
        let to = &request.destination;
        let unreachable = |reason: &str| ExchangeError::Unreachable { server: to.clone(), reason: reason.to_owned() };
        let node = {
            let state = self.lock();
            let is_cut = state.cut.contains(&(from.clone(), to.clone()));
            state.nodes.get(to).filter(|_| !is_cut).cloned()
        };
        let Some(node) = node else {
            self.note(from.as_str(), &format!("{said} unreachable"));
            return Err(unreachable("the link is cut"));
        };
        if let Mischief::Doubled = luck.mischief {
            self.note(from.as_str(), &format!("{said} comes twice"));
            drop(answered_by(&node, request));
        }
        answered_by(&node, request).await.map_err(|_| {
            self.note(from.as_str(), &format!("{said} broke off"));
            unreachable("the connection broke off")
        })
    }
}

/// Lets a server answer. Fails if it ends before.
fn answered_by(node: &Node, request: &Request) -> tokio::sync::oneshot::Receiver<axum::response::Response> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let mut built = http::Request::builder().method(&request.method).uri(&request.path_and_query);
    if let Some(authorization) = &request.authorization {
        built = built.header(AUTHORIZATION, authorization);
    }
    let built = built
        .header(CONTENT_TYPE, "application/json")
        .body(request.body.clone().map_or_else(Body::empty, Body::from))
        .expect("our own servers make requests that are some");
    let router = node.router.clone();
    let answers = async move {
        match router.oneshot(built).await {
            // Whoever asked may have given up.
            Ok(answer) => drop(reply.send(answer)),
            Err(never) => match never {},
        }
    };
    node.span.in_scope(|| node.tasks.spawn("simulated request", answers));
    answer
}

fn said(request: &Request) -> String {
    format!("{} {} {}", request.destination, request.method, request.path_and_query)
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
