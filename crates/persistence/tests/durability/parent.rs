//! Kills the child at random instants and compares what it said with what is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use handles::{Random, SystemRandom};
use persistence::transactions::state;
use persistence::{Database, ReadTx, SnapshotNumber, StoreError};

/// Times that the child is killed.
const KILLS: usize = 15;
/// Acknowledgements after which it is killed at the latest.
const ACKNOWLEDGED_MAX: u64 = 3_000;

pub(crate) fn run() {
    killed_at_any_instant_nothing_acknowledged_is_lost();
    #[cfg(unix)]
    a_disk_that_does_not_grow_loses_nothing_acknowledged();
    #[cfg(target_os = "linux")]
    crate::power::lost_at_any_instant_nothing_acknowledged_is_lost();
}

fn killed_at_any_instant_nothing_acknowledged_is_lost() {
    let random: &dyn Random = &SystemRandom;
    let mut total = 0;
    for _ in 0..KILLS {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        // One in a few falls into the time when the schema is made.
        let kill_after = random.below(ACKNOWLEDGED_MAX) * random.below(4).min(1);
        let mut child = start(Command::new(this_program()).arg("child").arg(&path));
        let mut said = Said::default();
        let mut lines = lines_of(&mut child);
        while said.acknowledged < kill_after {
            said.hear(&lines.next().expect("it does not end by itself"));
        }
        // Some way into whatever it is doing.
        for _ in 0..random.below(200_000) {
            std::hint::black_box(());
        }
        child.kill().expect("it runs");
        child.wait().expect("it was started here");
        // What it said before it ended counts.
        lines.for_each(|line| said.hear(&line));
        total += said.acknowledged;
        said.verify(&path);
    }
    println!("killed {KILLS} times, {total} acknowledged writes, all there");
    assert!(total > 0);
}

/// The child may not write beyond a size that its files reach: the system answers as for a full disk or a broken one.
#[cfg(unix)]
fn a_disk_that_does_not_grow_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" child \"$1\"";
    let mut child = start(Command::new("sh").arg("-c").arg(script).arg(this_program()).arg(&path));
    let mut said = Said::default();
    lines_of(&mut child).for_each(|line| said.hear(&line));
    assert!(child.wait().expect("it was started here").success(), "it ends by itself, having told every caller");
    println!("disk full: {} acknowledged writes, {} told that they failed", said.acknowledged, said.failed);
    assert!(said.acknowledged > 0 && said.failed > 0 && said.ended);
    said.verify(&path);
}

pub(crate) fn this_program() -> std::path::PathBuf {
    std::env::current_exe().expect("the system says")
}

pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).spawn().expect("it starts")
}

pub(crate) fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out = child.stdout.take().expect("it is piped");
    BufReader::new(out).split(b'\n').map(|line| String::from_utf8(line.expect("a pipe")).expect("text"))
}

/// What the child has said so far.
#[derive(Default)]
pub(crate) struct Said {
    /// For each room, the last event acknowledged and the state after it.
    last: BTreeMap<i64, (i64, i64)>,
    pub(crate) acknowledged: u64,
    failed: u64,
    ended: bool,
}

impl Said {
    pub(crate) fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["acknowledged", room, event, snapshot] => {
                self.acknowledged += 1;
                self.last.insert(number(room), (number(event), number(snapshot)));
            }
            ["failed", ..] => self.failed += 1,
            ["end"] => self.ended = true,
            _ => assert_eq!(line, "ready"),
        }
    }

    /// Opens what the child left, in which everything has to be.
    pub(crate) fn verify(&self, path: &Path) {
        self.look_for_everything(path).expect("every state that was acknowledged is whole");
        assert_eq!(Database::check(path).expect("it opens"), Vec::<String>::new());
    }

    /// Opens what the child left and says what is missing.
    pub(crate) fn look_for_everything(&self, path: &Path) -> Result<(), String> {
        let database = Database::open(path).map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let last = self.last.clone();
        let looked = runtime.block_on(database.read(move |tx| {
            for (room, (event, snapshot)) in &last {
                look_for_room(tx, *room, *event, SnapshotNumber(*snapshot))?;
            }
            Ok::<_, StoreError>(())
        }));
        runtime.block_on(database.close());
        looked.map_err(|error| error.to_string())
    }
}

/// The writes to a room follow each other, so that its last state holds all of them, but for those that failed in between.
fn look_for_room(tx: &ReadTx<'_>, room: i64, last: i64, snapshot: SnapshotNumber) -> Result<(), StoreError> {
    let state = state::load(tx, snapshot)?;
    for (key, event) in state.iter() {
        assert_eq!(state::key_text(tx, key)?, (format!("room {room}"), event.0.to_string()));
    }
    let key = state::key_number(tx, &format!("room {room}"), &last.to_string())?;
    match key.and_then(|key| state.get(key)) {
        Some(event) if event.0 == last => Ok(()),
        other => Err(StoreError::Inconsistent(format!("write {last} to room {room} left {other:?}"))),
    }
}

fn number(text: &str) -> i64 {
    text.parse().expect("the child says numbers")
}
