//! The commands as a person or a script runs them.

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn the_generated_configuration_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let generated = althing(folder.path(), &["generate-config", "--server-name", "localhost"]);
    assert!(generated.status.success());
    // Ports of their own, so that a server that runs here does not disturb.
    let config =
        text(&generated.stdout).replace("127.0.0.1:8008", "127.0.0.1:0").replace("0.0.0.0:8448", "127.0.0.1:0");
    std::fs::write(folder.path().join("althing.toml"), config).unwrap();
    let checked = althing(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
}

#[test]
fn without_a_configuration_it_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = althing(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("althing generate-config"), "{}", text(&output.stderr));
}

#[test]
fn a_broken_configuration_fails_the_check_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), "server_name = \"a.b\"\n[clinet]\nlisten = []\n").unwrap();
    let output = althing(folder.path(), &["check", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("did you mean `client.listen`?"), "{}", text(&output.stdout));
}

#[test]
fn an_unknown_command_ends_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(althing(folder.path(), &["surve"]).status.code(), Some(2));
}

fn althing(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALTHING_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).output().expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("althing writes UTF-8")
}
