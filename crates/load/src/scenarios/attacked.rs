//! One server that asks for as much as it can, and what another notices of that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{EventId, KeyId, Pdu, ServerName, SigningKey};
use handles::Handles;
use http::Method;
use tokio::sync::mpsc::{self, UnboundedSender};
use transport::PathBuilder;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor::TRANSACTION_PDUS;
use crate::peer::{Peer, Prepared};
use crate::report::{Failure, Table, Times, failed, mib, ms};

/// Members of the room that both servers are in.
const MEMBERS: usize = 2_000;
/// Requests of the hostile server at once.
const AT_ONCE: usize = 64;
/// How long each attack lasts.
const LASTS: Duration = Duration::from_secs(8);
/// Messages of the honest server that are made beforehand: more than it comes to send.
const MESSAGES: usize = 60_000;
/// Bytes of space before a body.
const PADDING: usize = 8 * 1_048_576;
/// EDUs of a transaction. S2S API, "Transactions".
const EDUS: usize = 100;
/// Users and rooms that each EDU names: together with the others just what a body may have.
const NAMED: usize = 3_000;
/// Stands for an id that was not there before.
const MESSAGE_ID: &str = "MESSAGE-ID";

/// What the hostile server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    None,
    AskForTheState,
    SendWrongSignatures,
    SendLargeBodies,
    SendEdus,
}

/// One row of the table: who does what to Althing. Whoever attacks again has used up what a server that was quiet may use.
const ATTACKS: [(Attack, usize, &str); 6] = [
    (Attack::None, 1, "no attack"),
    (Attack::AskForTheState, 1, "asks for the state"),
    (Attack::AskForTheState, 1, "goes on asking for the state"),
    (Attack::SendWrongSignatures, 2, "wrong signatures"),
    (Attack::SendLargeBodies, 3, "large bodies"),
    (Attack::SendEdus, 4, "many EDUs"),
];

/// Who is attacked, and by whom.
struct Scene {
    althing: Althing,
    peer: Peer,
    room: String,
    join: EventId,
    /// Signed with a key that nobody has.
    forged: Vec<Pdu>,
    /// As many EDUs as a transaction may have, as large as its body may be, that make work and have no effect.
    edus: String,
}

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "An honest server sends one message after the other in a room of 2,000 members, while another server of that room has 64 \
         requests under way for eight seconds: for the room's state; the same for eight seconds more; then others with transactions of 50 \
         PDUs with wrong signatures; bodies of 8 MiB; 100 EDUs that name 3,000 users or rooms each, which are not there. \
         Measured is how long the honest one waits for an answer, p50 / p99, and what Althing uses. All of them share two cores \
         with Althing.",
    );
    let althing = Althing::start(binary, handles).await?;
    let (peer, mut joins) = Peer::start(5, handles).await?;
    let room = peer.make_room(MEMBERS, |room| room.id.to_string())?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let join = joins.recv().await.ok_or_else(|| Failure("no join came".to_owned()))?;
    let mut messages = peer.look(&room, |room| room.messages(MESSAGES, &join, peer.key()))??.into_iter();
    let nobodys = SigningKey::from_seed(KeyId::parse("ed25519:load").map_err(failed("a key id"))?, &[8; 32]);
    let forged = peer.look(&room, |room| room.messages(TRANSACTION_PDUS, &join, &nobodys))??;
    let edus = nobodys_edus(&peer.names[4], &althing.name);
    let scene = Arc::new(Scene { althing, peer, room, join, forged, edus });
    for row in ATTACKS {
        measure(&mut table, &scene, row, &mut messages, handles).await?;
    }
    Ok(table)
}

async fn measure(
    table: &mut Table,
    scene: &Arc<Scene>,
    (attack, from, what): (Attack, usize, &str),
    messages: &mut impl Iterator<Item = Pdu>,
    handles: &Handles,
) -> Result<(), Failure> {
    let (before, began) = (scene.althing.usage()?, handles.clock.monotonic());
    let over = Arc::new(AtomicBool::new(false));
    let (told, mut statuses) = mpsc::unbounded_channel();
    for number in 0..if attack == Attack::None { 0 } else { AT_ONCE } {
        let (scene, over, told) = (Arc::clone(scene), Arc::clone(&over), told.clone());
        handles.tasks.spawn("attacker", async move { scene.attack(attack, from, number, &over, &told).await });
    }
    drop(told);
    let times = send_in_turn(&scene.peer, &scene.althing, messages, LASTS, handles).await?;
    let (usage, elapsed) = (scene.althing.usage()?, handles.clock.monotonic() - began);
    over.store(true, Ordering::Relaxed);
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(status) = statuses.recv().await {
        *answers.entry(status.map_or_else(|| "nothing".to_owned(), |status| status.to_string())).or_default() += 1;
    }
    let answers: Vec<String> = answers.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    table.note(
        format!("{what}: the honest one waits"),
        format!("{} / {}", ms(times.percentile(50)), ms(times.percentile(99))),
    );
    let cores = (usage.cpu - before.cpu).as_secs_f64() / elapsed.as_secs_f64();
    table.note(
        format!("{what}: cores / resident / most resident so far"),
        format!("{cores:.2} / {} / {}", mib(usage.resident), mib(usage.peak)),
    );
    if attack != Attack::None {
        table.note(format!("{what}: the hostile one is answered"), answers.join(", "));
    }
    Ok(())
}

/// Has the honest server send one message after the other for so long. Returns how long it waited for each answer.
pub(super) async fn send_in_turn(
    peer: &Peer,
    althing: &Althing,
    messages: &mut impl Iterator<Item = Pdu>,
    lasts: Duration,
    handles: &Handles,
) -> Result<Times, Failure> {
    let (mut times, began) = (Times::default(), handles.clock.monotonic());
    while handles.clock.monotonic() - began < lasts {
        let message = messages.next().ok_or_else(|| Failure("there are too few messages".to_owned()))?;
        let id = message.event_id().to_string();
        let request = peer.prepare(&althing.name, &id, &[message]);
        let sent = handles.clock.monotonic();
        peer.send(request).await?;
        times.push(handles.clock.monotonic() - sent);
    }
    Ok(times)
}

impl Scene {
    /// Sends one request after the other until it is over, as one of the names, and tells the status of each answer.
    async fn attack(
        &self,
        attack: Attack,
        from: usize,
        number: usize,
        over: &AtomicBool,
        told: &UnboundedSender<Option<u16>>,
    ) {
        let mut count = 0;
        while !over.load(Ordering::Relaxed) {
            count += 1;
            let status = self.peer.status_of(self.request(attack, from, &format!("{attack:?}.{number}.{count}"))).await;
            // Whoever counts them waits for the last.
            let _: Result<_, _> = told.send(status);
        }
    }

    fn request(&self, attack: Attack, from: usize, transaction: &str) -> Prepared {
        let (us, them): (&ServerName, &ServerName) = (&self.peer.names[from], &self.althing.name);
        match attack {
            Attack::None | Attack::AskForTheState => {
                let path = PathBuilder::new("/_matrix/federation/v1/state").segment(&self.room);
                let path = path.query("event_id", self.join.as_str()).finish();
                self.peer.sign(us, them, Method::GET, path, None)
            }
            Attack::SendWrongSignatures => self.peer.prepare_as(us, them, transaction, &self.forged),
            Attack::SendLargeBodies => self.peer.prepare_as(us, them, transaction, &[]).padded(PADDING),
            Attack::SendEdus => {
                self.peer.prepare_edus_as(us, them, transaction, &self.edus.replace(MESSAGE_ID, transaction))
            }
        }
    }
}

/// Messages to devices of users of `to` who are not there, and receipts in rooms that are not there.
fn nobodys_edus(from: &ServerName, to: &ServerName) -> String {
    let edus = (0..EDUS).map(|edu| {
        if edu % 2 == 0 {
            let messages: Vec<String> =
                (0..NAMED).map(|user| format!(r#""@{edu:03}{user:04}:{to}":{{"D":{{}}}}"#)).collect();
            let messages = messages.join(",");
            format!(
                r#"{{"content":{{"message_id":"{MESSAGE_ID}.{edu}","messages":{{{messages}}},"sender":"@m:{from}","type":"t"}},"edu_type":"m.direct_to_device"}}"#
            )
        } else {
            let rooms: Vec<String> = (0..NAMED).map(|room| format!(r#""!{edu:03}{room:04}:{from}":{{}}"#)).collect();
            format!(r#"{{"content":{{{}}},"edu_type":"m.receipt"}}"#, rooms.join(","))
        }
    });
    format!("[{}]", edus.collect::<Vec<_>>().join(","))
}
