//! What was acknowledged is there after the process was killed, after the disk refused to grow, and after a loss of power.
//!
//! The program starts itself a second time to be killed, so it has a `main` of its own. A loss of power is another question:
//! the system keeps what a killed process wrote, synced or not. So that is computed from a record of what was synced.

mod child;
mod parent;
#[cfg(target_os = "linux")]
mod power;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "child", path] => child::run(path.as_ref(), u64::MAX),
        [_, "child", path, acknowledged] => child::run(path.as_ref(), acknowledged.parse().expect("a number")),
        // What cargo-nextest asks of every test binary: which tests it has, and which of them are ignored.
        [_, "--list", .., "--ignored"] => {}
        [_, "--list", ..] => println!("what_was_acknowledged_is_there: test"),
        _ => parent::run(),
    }
}
