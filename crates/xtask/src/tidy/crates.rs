//! What holds for every crate, and for the pure one.

use toml::{Table, Value};

use super::SourceFile;
use crate::stage::Failure;

/// The manifest of a crate of ours.
#[derive(Clone)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    /// Its folder from the root.
    pub(crate) folder: String,
    /// Normal and build dependencies, on whatever platform.
    pub(crate) dependencies: Vec<String>,
    takes_workspace_lints: bool,
}

/// What drags in input and output, or a runtime for them.
const IMPURE: [&str; 10] =
    ["tokio", "mio", "socket2", "rusqlite", "libsqlite3-sys", "hyper", "axum", "rustls", "getrandom", "rand"];

/// Reads the manifests among `files`.
pub(super) fn manifests(files: &[SourceFile]) -> Result<Vec<Manifest>, Failure> {
    let manifests = files.iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"));
    manifests.map(read).collect()
}

fn read(file: &SourceFile) -> Result<Manifest, Failure> {
    let table: Table = file.text.parse().map_err(|error| Failure(format!("{} is no TOML: {error}", file.path)))?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| Failure(format!("{} has no package.name", file.path)))?.to_owned();
    let mut dependencies = dependencies_of(&table);
    // `[target.'cfg(unix)'.dependencies]`
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        dependencies.extend(dependencies_of(target));
    }
    let lints = table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    let folder = file.path.trim_end_matches("/Cargo.toml").to_owned();
    Ok(Manifest { name, folder, dependencies, takes_workspace_lints: lints == Some(true) })
}

fn dependencies_of(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["dependencies", "build-dependencies"] {
        for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
            // A renamed dependency says its true name in `package`.
            found.push(value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned());
        }
    }
    found
}

/// Returns a sentence for each crate that is not as all should be.
pub(super) fn complaints(manifests: &[Manifest], files: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Manifest { name, folder, dependencies, takes_workspace_lints } in manifests {
        if !takes_workspace_lints {
            complaints.push(format!("{folder}/Cargo.toml: add `[lints]` with `workspace = true`"));
        }
        if name != "persistence" && dependencies.iter().any(|dependency| dependency == "rusqlite") {
            complaints.push(format!("{name} must not depend on rusqlite: write the query in crates/persistence"));
        }
        let roots = [format!("{folder}/src/lib.rs"), format!("{folder}/src/main.rs")];
        for root in files.iter().filter(|file| roots.contains(&file.path)) {
            if !root.text.starts_with("//!") {
                complaints.push(format!("{}: begin with //! and say what the crate does", root.path));
            }
        }
    }
    complaints
}

/// Returns a sentence for each package in `tree` that a pure crate must not be built from. `tree` has one a line, its name
/// first.
pub(super) fn impure_dependencies(crate_name: &str, tree: &str) -> Vec<String> {
    let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    found.retain(|package| IMPURE.contains(package));
    found.sort_unstable();
    found.dedup();
    found
        .iter()
        .map(|package| format!("{crate_name} must stay pure: remove the dependency that brings in {package}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Manifest {
        /// A manifest without faults.
        pub(crate) fn for_test(name: &str, dependencies: &[&str]) -> Self {
            Self {
                name: name.to_owned(),
                folder: format!("crates/{name}"),
                dependencies: dependencies.iter().map(|&dependency| dependency.to_owned()).collect(),
                takes_workspace_lints: true,
            }
        }
    }

    #[test]
    fn every_kind_of_dependency_is_read_but_those_of_tests() {
        let manifest = read(&file(
            "crates/a/Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nx = { package = \"c\", version = \"1\" }\n\
             [build-dependencies]\nd = \"1\"\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n[dev-dependencies]\nf = \"1\"\n",
        ));
        let manifest = manifest.unwrap();
        let mut dependencies = manifest.dependencies.clone();
        dependencies.sort_unstable();
        assert_eq!(dependencies, ["b", "c", "d", "e"]);
        assert_eq!(complaints(&[manifest], &[]), ["crates/a/Cargo.toml: add `[lints]` with `workspace = true`"]);
    }

    #[test]
    fn a_crate_says_what_it_does() {
        let manifests = [Manifest::for_test("a", &[])];
        assert_eq!(complaints(&manifests, &[file("crates/a/src/lib.rs", "//! Does.\n")]), [""; 0]);
        assert_eq!(complaints(&manifests, &[file("crates/a/src/lib.rs", "mod b;\n")]).len(), 1);
        assert_eq!(complaints(&manifests, &[file("crates/a/src/b.rs", "mod c;\n")]), [""; 0]);
    }

    #[test]
    fn only_persistence_knows_the_engine() {
        let found = complaints(&["users", "persistence"].map(|name| Manifest::for_test(name, &["rusqlite"])), &[]);
        assert_eq!(found, ["users must not depend on rusqlite: write the query in crates/persistence"]);
    }

    #[test]
    fn what_is_impure_is_named_once() {
        let found =
            impure_dependencies("events", "events v0.1.0 (here)\nserde v1.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)\n");
        assert_eq!(found, ["events must stay pure: remove the dependency that brings in tokio"]);
    }

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }
}
