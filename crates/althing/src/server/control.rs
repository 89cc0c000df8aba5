//! Takes the orders of commands while the server runs: a socket in the folder of data, for whoever may open that folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use handles::Handles;
use messaging::Messaging;
use persistence::Database;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use users::Users;

use crate::data_dir;
use crate::running::{ANSWER_BYTES_MAX, ORDER_BYTES_MAX, Reply, Request, TIMEOUT};

/// Until the whole order has come.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10);
/// After an error of the listener.
const RETRY: Duration = Duration::from_secs(1);

/// The parts of the server that do what is ordered.
pub(super) struct Hands {
    pub(super) users: Users,
    pub(super) messaging: Messaging,
    pub(super) database: Database,
    pub(super) handles: Handles,
}

/// Carries out orders.
pub(super) trait Perform: Send + Sync + 'static {
    /// Does what is ordered.
    fn perform(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

impl Perform for Hands {
    async fn perform(&self, request: Request) -> Reply {
        let done = match request {
            Request::User(order) => order.perform(&self.users).await.map_err(|error| error.to_string()),
            Request::Explain(order) => {
                order.perform(&self.database, &self.handles).await.map_err(|error| error.to_string())
            }
            Request::Room(order) => order.perform(&self.messaging).await.map_err(|error| error.to_string()),
        };
        done.map_or_else(Reply::Refused, Reply::Done)
    }
}

/// Begins to take orders. Without the socket the server runs all the same: commands then say that it has to be stopped.
pub(super) fn start(folder: &Path, hands: impl Perform, handles: &Handles) {
    let path = data_dir::control(folder);
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!("commands cannot reach this server while it runs: {}: {error}", path.display());
            return;
        }
    };
    let clock = handles.clock.clone();
    handles.tasks.spawn("control", async move {
        loop {
            match listener.accept().await {
                // One after the other: a person types them.
                Ok((stream, _)) => match tokio::time::timeout(TIMEOUT, serve(stream, &hands)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!("an order was not answered: {error}"),
                    Err(_) => tracing::warn!("an order of a command took too long and was given up"),
                },
                Err(error) => {
                    tracing::warn!("cannot take orders of commands: {error}");
                    clock.sleep(RETRY).await;
                }
            }
        }
    });
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    // The folder is ours alone: what is there was left by a process that has ended.
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn serve(stream: UnixStream, hands: &impl Perform) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reading).take(ORDER_BYTES_MAX);
    match tokio::time::timeout(ORDER_TIMEOUT, reader.read_line(&mut line)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    };
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => hands.perform(request).await,
        Err(_) => Reply::Refused("this server does not know that order: is it of another version?".to_owned()),
    };
    let mut text = line_of(&reply);
    if text.len() as u64 > ANSWER_BYTES_MAX {
        let reason =
            format!("the answer has {} bytes, too many for a running server: stop it, and ask again", text.len());
        text = line_of(&Reply::Refused(reason));
    }
    writing.write_all(text.as_bytes()).await?;
    writing.shutdown().await
}

fn line_of(reply: &Reply) -> String {
    serde_json::to_string(reply).expect("a reply is plain data") + "\n"
}

#[cfg(test)]
mod tests {
    use handles::Notifier;
    use persistence::Database;
    use users::rate_limits::Rates;
    use users::{Neighbours, Registration, UsersConfig};

    use super::*;
    use crate::running::{RunningError, ask};

    /// Does what is ordered with accounts.
    struct Accounts(Users);

    impl Perform for Accounts {
        async fn perform(&self, request: Request) -> Reply {
            let Request::User(order) = request else { return Reply::Refused("it has no rooms".to_owned()) };
            order.perform(&self.0).await.map_or_else(|error| Reply::Refused(error.to_string()), Reply::Done)
        }
    }

    /// Has more to say than fits.
    struct Talker;

    impl Perform for Talker {
        async fn perform(&self, _request: Request) -> Reply {
            Reply::Done(vec!["x".repeat(usize::try_from(ANSWER_BYTES_MAX).unwrap())])
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let handles = Handles::simulated(1);
        start(folder.path(), Talker, &handles);
        let list = serde_json::from_str(r#"{"user":{"order":"list"}}"#).unwrap();
        let refused = ask(folder.path(), &list).await;
        assert!(matches!(&refused, Err(RunningError::Refused(why)) if why.contains("stop it, and ask again")));
        handles.tasks.stop().await;
    }

    #[tokio::test]
    async fn orders_are_carried_out_by_the_server_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let order = |text: &str| serde_json::from_str(text).map(Request::User).unwrap();
        let list = || order(r#"{"order":"list"}"#);

        let handles = Handles::system();
        let users = users(&handles);
        // A process that was killed leaves its socket behind.
        drop(UnixListener::bind(data_dir::control(folder.path())).unwrap());
        start(folder.path(), Accounts(users), &handles);
        let mode = std::fs::metadata(data_dir::control(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let create = order(r#"{"order":"create","name":"alice","password":"secret","admin":true}"#);
        assert_eq!(ask(folder.path(), &create).await.unwrap(), ["@alice:a.test"]);
        let again = ask(folder.path(), &create).await;
        assert!(matches!(again, Err(RunningError::Refused(reason)) if reason.contains("@alice:a.test is taken")));
        let reset = order(r#"{"order":"reset_password","name":"@alice:a.test","password":"better"}"#);
        assert!(ask(folder.path(), &reset).await.unwrap().is_empty());
        assert_eq!(ask(folder.path(), &list()).await.unwrap(), ["@alice:a.test  admin"]);
        let end = order(r#"{"order":"deactivate","name":"alice","erase":true}"#);
        assert!(ask(folder.path(), &end).await.unwrap().is_empty());
        assert!(matches!(ask(folder.path(), &reset).await, Err(RunningError::Refused(_))));
        handles.tasks.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_starting_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let order = serde_json::from_str(r#"{"user":{"order":"list"}}"#).unwrap();
        assert!(matches!(ask(folder.path(), &order).await, Err(RunningError::Unreachable { .. })), "it never came");

        // What a killed process left refuses connections until the next one has taken its place.
        drop(UnixListener::bind(data_dir::control(folder.path())).unwrap());
        let handles = Handles::system();
        let starting = async {
            handles.clock.sleep(Duration::from_secs(3)).await;
            start(folder.path(), Accounts(users(&handles)), &handles);
        };
        let (asked, ()) = tokio::join!(ask(folder.path(), &order), starting);
        assert!(asked.unwrap().is_empty());
        handles.tasks.stop().await;
    }

    #[tokio::test]
    async fn whoever_talks_nonsense_is_told_so_and_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let handles = Handles::system();
        start(folder.path(), Accounts(users(&handles)), &handles);
        for nonsense in ["nonsense\n".to_owned(), "x".repeat(100_000)] {
            let mut stream = UnixStream::connect(data_dir::control(folder.path())).await.unwrap();
            // The server does not read more than an order has, and may be gone before all was written.
            drop(stream.write_all(nonsense.as_bytes()).await);
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer).await);
            assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
        }
        let list = serde_json::from_str(r#"{"user":{"order":"list"}}"#).unwrap();
        assert!(ask(folder.path(), &list).await.unwrap().is_empty());
        handles.tasks.stop().await;
    }

    fn users(handles: &Handles) -> Users {
        let config = UsersConfig { registration: Registration::Closed, shared_secret: None, rates: Rates::off() };
        let name = events::ServerName::parse("a.test").unwrap();
        let database = Database::open_inline(None).unwrap();
        Users::new(name, database, handles.clone(), Notifier::default(), config, Neighbours::default())
    }
}
