//! What was acknowledged is there after the process was killed, and after the disk refused to grow.
//!
//! The program starts itself a second time to be killed, so it has a `main` of its own. What a loss of power does is another
//! question: the system keeps what a killed process wrote, synced or not.

mod child;
mod parent;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "child", path] => child::run(path.as_ref()),
        // What cargo-nextest asks of every test binary: which tests it has, and which of them are ignored.
        [_, "--list", .., "--ignored"] => {}
        [_, "--list", ..] => println!("what_was_acknowledged_is_there: test"),
        _ => parent::run(),
    }
}
