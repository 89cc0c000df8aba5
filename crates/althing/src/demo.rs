//! `althing demo`: two servers that talk to each other over TLS, on this machine, in a temporary folder.

mod house;
mod steps;

use std::time::Duration;

use events::{Object, RoomId, RoomVersion, UserId};
use handles::Handles;
use messaging::MessagingError;
use messaging::membership::RoomRef;
use messaging::rooms::{NewRoom, Preset};
use messaging::subscription::Wanted;
use persistence::StoreError;
use serde_json::json;

use crate::config::LogFormat;
use crate::serve::{ServeError, Signals};
use crate::{config, logging};
use house::{House, HouseError};
use steps::Steps;

/// How long a message may take from one server to the other before the demonstration has failed.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// What happens after the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// The servers stay up until a signal.
    StayUp,
    /// The command ends.
    End,
}

/// The demonstration failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("cannot make a temporary folder: {0}")]
    Folder(std::io::Error),
    #[error(transparent)]
    House(#[from] HouseError),
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Signals(#[from] ServeError),
    #[error("{reader} did not get {what} in {} s", ARRIVAL_MAX.as_secs())]
    Lost { reader: UserId, what: String },
}

/// Runs the demonstration.
pub(crate) async fn run(afterwards: Afterwards) -> Result<(), DemoError> {
    logging::start(&config::Log { format: LogFormat::Text, filter: "warn".to_owned() });
    let folder = tempfile::Builder::new().prefix("althing-demo-").tempdir().map_err(DemoError::Folder)?;
    let mut steps = Steps::start(Handles::system().clock);

    let authority = house::authority(folder.path())?;
    let mut signals = Signals::new()?;
    let one = House::open(&folder.path().join("one"), &authority, "alice").await?;
    steps.done(&format!("server {} started", one.server_name));
    let two = House::open(&folder.path().join("two"), &authority, "bob").await?;
    steps.done(&format!("server {} started", two.server_name));
    let outcome = talk(&one, &two, &mut steps).await;
    if outcome.is_ok() {
        steps.total();
        if afterwards == Afterwards::StayUp {
            println!("\nBoth servers stay up, in {}. Point Matrix clients at them:\n", folder.path().display());
            one.introduce();
            two.introduce();
            println!("\nEnd with Ctrl-C: everything is deleted then.");
            signals.next().await;
        }
    }
    one.close().await;
    two.close().await;
    outcome
}

async fn talk(one: &House, two: &House, steps: &mut Steps) -> Result<(), DemoError> {
    let (alice, bob) = (&one.user, &two.user);
    let (alices, bobs) = (&one.server.messaging, &two.server.messaging);

    let room = alices.create_room(public_room(alice)).await?;
    steps.done(&format!("{alice} created the room {room}, version {}", RoomVersion::V12));
    let joined = RoomRef::Id(room.clone());
    bobs.join(bob, &joined, std::slice::from_ref(&one.server_name), Object::new()).await?;
    steps.done(&format!("{bob} joined it over federation"));

    for (reader_house, sender_house, text) in
        [(two, one, "Hello, neighbour!"), (one, two, "Hello! How quick you are."), (two, one, "So are you.")]
    {
        say(sender_house, reader_house, &room, text).await?;
        steps.done(&format!("{}: “{text}”, and {} has it", sender_house.user, reader_house.user));
    }
    Ok(())
}

/// Sends a message at one server and waits until the other has it.
async fn say(sender: &House, reader: &House, room: &RoomId, text: &str) -> Result<(), DemoError> {
    let mut news = reader.server.messaging.subscribe("demo", Wanted::Everything).await?;
    let content = Object::from_iter([("msgtype".to_owned(), json!("m.text")), ("body".to_owned(), json!(text))]);
    let sent = sender.server.messaging.send_message(&sender.user, room, "m.room.message", content, None).await?;
    let arrived = async {
        loop {
            let happened = news.next().await?;
            if let Some(last) = happened.last() {
                news.acknowledge(last.position).await?;
            }
            if happened.iter().any(|happened| *happened.pdu.event_id() == sent.event_id) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(ARRIVAL_MAX, arrived)
        .await
        .unwrap_or_else(|_| Err(DemoError::Lost { reader: reader.user.clone(), what: sent.event_id.to_string() }))
}

fn public_room(creator: &UserId) -> NewRoom {
    NewRoom {
        published: true,
        name: Some("The demonstration".to_owned()),
        alias_localpart: Some("demo".to_owned()),
        ..NewRoom::new(creator.clone(), RoomVersion::V12, Preset::PublicChat)
    }
}
