//! What a loss of power leaves.
//!
//! The child runs once with `recorder.c` preloaded. From its record the files are put together as they would be after a loss of
//! power at some instant: all that was synced, and of what was not any part, in any order, down to single sectors. In each of
//! them everything that had been acknowledged by that instant has to be found.

use std::fs;
use std::path::Path;
use std::process::Command;

use handles::{Random, SystemRandom};

use crate::parent::{Said, lines_of, start, this_program};

/// Instants at which the power is lost.
const CUTS: usize = 40;
/// Writes that the child acknowledges before it ends. The log begins anew some times meanwhile.
const ACKNOWLEDGED: u64 = 25_000;
/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: u64 = 512;

const MAIN: usize = 0;
const LOG: usize = 1;

pub(crate) fn lost_at_any_instant_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = record(folder.path());
    no_commit_waits_for_what_others_moved(&record);
    let random: &'static dyn Random = &SystemRandom;
    let ready =
        record.iter().position(|entry| matches!(&entry.what, What::Said(line) if line == "ready")).expect("ready");
    let restarts: Vec<usize> = (ready..record.len()).filter(|index| record[*index].begins_log_anew()).collect();
    assert!(restarts.len() >= 2, "the log began anew {} times", restarts.len());
    // Anywhere, and around the most delicate moments.
    let mut cuts: Vec<usize> = (0..CUTS)
        .map(|cut| match cut % 4 {
            0 => restarts[random.below(restarts.len() as u64) as usize] + random.below(40) as usize,
            _ => ready + random.below((record.len() - ready) as u64) as usize,
        })
        .map(|cut| cut.min(record.len()))
        .collect();
    cuts.sort_unstable();
    let mut disk = Disk::default();
    let mut said = Said::default();
    let (mut done, mut lost) = (0, 0);
    for (number, cut) in cuts.iter().enumerate() {
        record[done..*cut].iter().enumerate().for_each(|(index, entry)| {
            disk.take(done + index, entry);
            if let What::Said(line) = &entry.what {
                said.hear(line);
            }
        });
        done = (*cut).max(done);
        lost += disk.files.iter().map(|file| file.unsynced.len()).sum::<usize>();
        let path = folder.path().join(format!("{number}.db"));
        disk.write(&path, random);
        said.verify(&path);
    }
    println!(
        "power lost {CUTS} times, {} acknowledged writes, all there; {lost} writes were not synced",
        said.acknowledged
    );
    assert!(said.acknowledged > 0 && lost > 0);
    a_log_that_is_not_synced_is_missed(&record, folder.path());
}

/// That the above would notice: without the syncs of the log an acknowledged write is lost.
fn a_log_that_is_not_synced_is_missed(record: &[Entry], folder: &Path) {
    let mut disk = Disk::default();
    let mut said = Said::default();
    for (index, entry) in record.iter().enumerate() {
        match &entry.what {
            What::Said(line) => said.hear(line),
            What::SyncEnded(_) if entry.file == LOG && said.acknowledged > 0 => {}
            What::SyncEnded(_) | What::SyncBegan(_) | What::Write(..) | What::Truncate(_) => disk.take(index, entry),
        }
    }
    let path = folder.join("unsynced.db");
    disk.files[LOG].unsynced.clear();
    disk.files[MAIN].unsynced.clear();
    disk.write(&path, &SystemRandom);
    let missing = said.look_for_everything(&path).expect_err("what was never synced is there");
    println!("without the syncs of the log: {missing}");
}

/// A commit syncs the log. When the log begins anew it syncs the main file too, for which everybody waits: then what others have
/// written there has to be on the disk already.
fn no_commit_waits_for_what_others_moved(record: &[Entry]) {
    let mut log_writes = record.iter().filter(|entry| entry.file == LOG && matches!(entry.what, What::Write(..)));
    let writer = log_writes.next_back().expect("something was written").thread;
    let ready = record.iter().position(|entry| matches!(entry.what, What::Said(_))).expect("it says that it is ready");
    let (mut unsynced, mut moved_by_others) = (0, 0);
    for entry in record[ready..].iter().filter(|entry| entry.file == MAIN) {
        match &entry.what {
            What::Write(_, bytes) if entry.thread != writer => unsynced += bytes.len(),
            What::SyncBegan(_) if entry.thread == writer => assert_eq!(unsynced, 0, "bytes that a commit waits for"),
            What::SyncEnded(_) => {
                moved_by_others += unsynced;
                unsynced = 0;
            }
            What::Write(..) | What::Truncate(_) | What::SyncBegan(_) | What::Said(_) => {}
        }
    }
    assert!(moved_by_others > 0);
}

/// Runs the child and reads what the recorder wrote down.
fn record(folder: &Path) -> Vec<Entry> {
    let recorder = folder.join("recorder.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durability/recorder.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&recorder).arg(source);
    assert!(compiler.status().expect("a C compiler, which SQLite needs too").success());
    let path = folder.join("record");
    let mut command = Command::new(this_program());
    command.arg("child").arg(folder.join("child.db")).arg(ACKNOWLEDGED.to_string());
    command.env("LD_PRELOAD", &recorder).env("DURABILITY_RECORD", &path);
    let mut child = start(&mut command);
    lines_of(&mut child).for_each(drop);
    assert!(child.wait().expect("it was started here").success());
    parse(&fs::read(&path).expect("the recorder wrote it"))
}

struct Entry {
    file: usize,
    thread: u32,
    what: What,
}

enum What {
    Write(u64, Vec<u8>),
    Truncate(u64),
    SyncBegan(u64),
    SyncEnded(u64),
    Said(String),
}

impl Entry {
    fn begins_log_anew(&self) -> bool {
        self.file == LOG && matches!(self.what, What::Write(0, _))
    }
}

fn parse(mut rest: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(24) {
        let field = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let place = u64::from_ne_bytes(head[16..].try_into().expect("eight bytes"));
        // It may have ended amid the last.
        let Some((bytes, after)) = after.split_at_checked(field(12) as usize) else { break };
        let what = match u8::try_from(field(0)).expect("a letter") {
            b'w' => What::Write(place, bytes.to_vec()),
            b't' => What::Truncate(place),
            b'b' => What::SyncBegan(place),
            b'e' => What::SyncEnded(place),
            b's' => What::Said(String::from_utf8_lossy(bytes).trim_end().to_owned()),
            other => panic!("the recorder knows no {other}"),
        };
        entries.push(Entry { file: (field(4) as usize).saturating_sub(1), thread: field(8), what });
        rest = after;
    }
    entries
}

/// The files as a disk has them.
#[derive(Default)]
struct Disk<'r> {
    files: [DiskFile<'r>; 2],
}

#[derive(Default)]
struct DiskFile<'r> {
    /// What was synced.
    kept: Vec<u8>,
    /// What was not, with its place in the record.
    unsynced: Vec<(usize, &'r What)>,
    /// Syncs that go on, with their place in the record.
    syncs: Vec<(usize, u64)>,
}

impl<'r> Disk<'r> {
    fn take(&mut self, index: usize, entry: &'r Entry) {
        let file = &mut self.files[entry.file];
        match &entry.what {
            What::Write(..) | What::Truncate(_) => file.unsynced.push((index, &entry.what)),
            What::SyncBegan(number) => file.syncs.push((index, *number)),
            What::SyncEnded(number) => {
                let place = file.syncs.iter().position(|sync| sync.1 == *number).expect("it began");
                let (began, _) = file.syncs.remove(place);
                // What was written after it began need not be in it.
                let count = file.unsynced.partition_point(|(index, _)| *index < began);
                for (_, what) in file.unsynced.drain(..count) {
                    apply(&mut file.kept, what, 0..u64::MAX);
                }
            }
            What::Said(_) => {}
        }
    }

    /// Writes files that a loss of power may leave.
    fn write(&self, path: &Path, random: &'static dyn Random) {
        // From nothing to nearly all of what was not synced.
        let share = random.below(101);
        for (file, suffix) in self.files.iter().zip(["", "-wal"]) {
            let mut bytes = file.kept.clone();
            for (_, what) in &file.unsynced {
                if random.below(100) < share {
                    let begin = random.below(3) * SECTOR_BYTES;
                    let end = if random.below(4) == 0 { begin + random.below(8) * SECTOR_BYTES } else { u64::MAX };
                    apply(&mut bytes, what, if random.below(4) == 0 { begin..end } else { 0..u64::MAX });
                }
            }
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            fs::write(name, bytes).expect("space");
        }
    }
}

/// Does what was asked for to `file`: of a write the bytes in `part`, cut at the sectors of the file.
fn apply(file: &mut Vec<u8>, what: &What, part: std::ops::Range<u64>) {
    match what {
        What::Write(place, bytes) => {
            let sector = place - place % SECTOR_BYTES;
            let begin = (sector.saturating_add(part.start)).max(*place);
            let end = sector.saturating_add(part.end).min(place + bytes.len() as u64);
            if begin < end {
                file.resize(file.len().max(end as usize), 0);
                let bytes = &bytes[(begin - place) as usize..(end - place) as usize];
                file[begin as usize..end as usize].copy_from_slice(bytes);
            }
        }
        What::Truncate(length) => file.resize(*length as usize, 0),
        What::SyncBegan(_) | What::SyncEnded(_) | What::Said(_) => {}
    }
}
