//! The commands as a person or a script runs them.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
fn accounts_are_made_changed_and_ended_while_no_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("althing.toml"), "server_name = \"a.test\"\n").unwrap();
    let user = |arguments: &[&str]| {
        let output = with_input(folder.path(), &[&["user"], arguments].concat(), "secret\n");
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    assert_eq!(user(&["create", "alice", "--admin", "--password-stdin"]), (true, "@alice:a.test\n".to_owned()));
    assert!(!user(&["create", "alice", "--password-stdin"]).0, "the name is taken");
    assert!(user(&["create", "bob", "--password-stdin"]).0);
    assert!(user(&["reset-password", "bob", "--password-stdin"]).0);
    assert!(user(&["deactivate", "@bob:a.test", "--erase"]).0);
    for again in [&["deactivate", "bob"][..], &["reset-password", "bob", "--password-stdin"], &["deactivate", "carol"]]
    {
        let (success, said) = user(again);
        assert!(!success && said.contains("there is no account"), "{said}");
    }
    assert_eq!(user(&["list"]), (true, "@alice:a.test  admin\n@bob:a.test  deactivated\n".to_owned()));
}

#[test]
fn a_room_that_is_not_there_is_not_purged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("althing.toml"), "server_name = \"a.test\"\n").unwrap();
    for (arguments, said) in [
        (&["room", "purge", "!none:a.test"][..], "knows no room !none:a.test"),
        (&["room", "purge", "none"], "none"),
        (&["room", "purge", "!none:a.test", "--leave"], "needs a server that runs"),
    ] {
        let output = althing(folder.path(), arguments);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn a_running_server_does_what_the_command_line_asks() {
    let folder = tempfile::tempdir().unwrap();
    let config = "server_name = \"a.test\"\n[client]\nlisten = [\"127.0.0.1:0\"]\n\
                  [federation]\nlisten = [\"127.0.0.1:0\"]\ntrusted_key_servers = []\n";
    std::fs::write(folder.path().join("althing.toml"), config).unwrap();
    let mut server = Running(command(folder.path(), &["serve"]).spawn().expect("the binary was built for this test"));
    let deadline = std::time::Duration::from_secs(60);
    let mut waited = std::time::Duration::ZERO;
    while !folder.path().join("data/control.sock").exists() {
        assert!(waited < deadline, "the server takes no orders");
        assert!(server.0.try_wait().unwrap().is_none(), "the server has ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
        waited += std::time::Duration::from_millis(20);
    }
    let user = |arguments: &[&str]| {
        let output = with_input(folder.path(), &[&["user"], arguments].concat(), "secret\n");
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    assert_eq!(user(&["create", "alice", "--password-stdin"]), (true, "@alice:a.test\n".to_owned()));
    assert!(user(&["reset-password", "alice", "--password-stdin"]).0);
    assert!(user(&["deactivate", "alice"]).0);
    let (success, said) = user(&["create", "alice", "--password-stdin"]);
    assert!(!success && said.contains("@alice:a.test is taken"), "{said}");
    assert_eq!(user(&["list"]), (true, "@alice:a.test  deactivated\n".to_owned()));
}

/// A server that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_unknown_command_ends_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(althing(folder.path(), &["surve"]).status.code(), Some(2));
}

fn althing(folder: &Path, arguments: &[&str]) -> Output {
    with_input(folder, arguments, "")
}

fn with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(folder, arguments).spawn().expect("the binary was built for this test");
    // Whoever reads nothing may have ended by now.
    drop(child.stdin.take().expect("it was piped").write_all(input.as_bytes()));
    child.wait_with_output().expect("it ends by itself")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALTHING_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("althing writes UTF-8")
}
