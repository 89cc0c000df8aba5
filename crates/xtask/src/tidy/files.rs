//! What holds for every file.

use super::SourceFile;

/// Lines of a source file. Longer ones hold more than one concern.
const LINES_MAX: usize = 500;
/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// This file says the words that no other may say.
const OWN_PATH: &str = "crates/xtask/src/tidy/files.rs";
/// What people leave in code that is not finished.
const UNFINISHED: [&str; 4] = ["TODO", "FIXME", "todo!(", "unimplemented!("];
/// Folders of a single machine.
const MACHINE_PATHS: [&str; 4] = ["/home/", "/root/", "/work/", "/var/wt/"];
/// How statements begin that only `persistence` may contain.
const SQL: [&str; 6] = ["\"SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "\"UPDATE ", "PRAGMA "];

/// Returns a sentence for each thing that is wrong with `file`.
pub(super) fn complaints(file: &SourceFile) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.path == OWN_PATH || file.path == "Cargo.lock" {
        return complaints;
    }
    if is_source(&file.path) {
        complaints.extend(length(file));
    }
    for (number, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, number + 1);
        if is_source(&file.path)
            && let Some(word) = UNFINISHED.iter().find(|word| line.contains(*word))
        {
            complaints.push(format!("{place}: finish what {word} stands for, or open an issue and delete the words"));
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
            complaints.push(format!("{place}: {path} exists on one machine only: write a relative path"));
        }
        if is_rust_outside_persistence(&file.path) && SQL.iter().any(|statement| line.contains(statement)) {
            complaints.push(format!("{place}: move the query into crates/persistence/src/transactions"));
        }
    }
    complaints
}

/// Returns a sentence for each exception that is no longer needed.
pub(super) fn stale_exceptions(files: &[SourceFile]) -> Vec<String> {
    let is_long = |path: &str| files.iter().any(|file| file.path == path && file.text.lines().count() > LINES_MAX);
    let stale = LONG_FILES.iter().filter(|(path, _)| !is_long(path));
    stale.map(|(path, _)| format!("{OWN_PATH}: {path} is not long: delete it from LONG_FILES")).collect()
}

fn length(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    (lines > LINES_MAX && !excused).then(|| {
        let path = &file.path;
        format!("{path} has {lines} lines: split it along a noun, or give a reason in LONG_FILES of {OWN_PATH}")
    })
}

fn is_source(path: &str) -> bool {
    [".rs", ".py", ".sh", ".js", ".toml"].iter().any(|ending| path.ends_with(ending)) || path.ends_with("/run")
}

fn is_rust_outside_persistence(path: &str) -> bool {
    path.ends_with(".rs") && !path.starts_with("crates/persistence/")
}

/// Says whether `line` has `path` where a path begins; `target/work/` is another one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-/}>*".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_one_sentence_with_its_place() {
        for (path, text, expected) in [
            ("crates/a/src/b.rs", "fn a() {}\n// TODO: more", "crates/a/src/b.rs:2: finish what TODO stands for"),
            ("tests/interop/run", "# FIXME", "tests/interop/run:1: finish what FIXME stands for"),
            ("README.md", "cd /home/me/althing", "README.md:1: /home/ exists on one machine only"),
            ("a.py", "open('/work/x')", "a.py:1: /work/ exists on one machine only"),
            ("crates/users/src/a.rs", "(\"SELECT 1\")", "crates/users/src/a.rs:1: move the query into"),
            ("a.rs", &"\n".repeat(501), "a.rs has 501 lines: split it along a noun"),
        ] {
            let found = complaints(&file(path, text));
            assert!(found.len() == 1 && found[0].starts_with(expected), "{path}: {found:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_fault_is_none() {
        for (path, text) in [
            ("CONTRIBUTING.md", "No TODO."),
            ("a.rs", "join(\"target/work/a\")"),
            ("a.rs", "https://example.org/home/"),
            ("crates/persistence/src/transactions/a.rs", "\"SELECT 1\""),
            ("a.rs", &"\n".repeat(500)),
            ("vectors.json", &"\n".repeat(5_000)),
        ] {
            assert_eq!(complaints(&file(path, text)), [""; 0], "{path}");
        }
    }

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }
}
