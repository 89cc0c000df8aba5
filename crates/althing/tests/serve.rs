//! `althing serve` and the commands beside it, as a person or a service manager runs them.

#[expect(unreachable_pub, reason = "shared by tests only")]
mod running;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use running::{Server, althing, read_answer, run};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Everything on ports that are free.
const CONFIG: &str = "server_name = \"a.test\"\n\
    [client]\nlisten = [\"127.0.0.1:0\"]\n\
    [federation]\nlisten = [\"127.0.0.1:0\"]\n\
    [registration]\nmode = \"open\"\nshared_secret = \"between us\"\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a folder for temporary files")
}

fn with(config: &str, change: (&str, &str)) -> String {
    assert!(config.contains(change.0), "{change:?}");
    config.replace(change.0, change.1)
}

/// What a server that does not start says.
fn refusal(folder: &Path, config: &str) -> String {
    std::fs::write(folder.join("althing.toml"), config).expect("the folder is ours");
    let mut command = althing(folder);
    command.arg("serve");
    let output = run(command, "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn command(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = althing(folder);
    command.args(arguments);
    let output = run(command, input);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn sigterm_ends_it_in_time_whoever_waits() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let account = json!({"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}});
    let (status, alice) = server.ask("POST", "/_matrix/client/v3/register", &account.to_string());
    assert_eq!(status, 200, "{alice}");
    let token = format!("Authorization: Bearer {}\r\n", alice["access_token"].as_str().unwrap());
    let (_, first) = sync(&server, &token, "");
    let since = format!("since={}&timeout=120000", first["next_batch"].as_str().unwrap());
    // One who waits for news, one who says nothing, and one in the middle of a request.
    let waiting = server.send("GET", &format!("/_matrix/client/v3/sync?{since}"), &token, "");
    let idle = std::net::TcpStream::connect(server.clients).unwrap();
    let mut middle = std::net::TcpStream::connect(server.clients).unwrap();
    middle.write_all(b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{").unwrap();
    let strangers = std::net::TcpStream::connect(server.servers.unwrap()).unwrap();
    assert_eq!(server.terminate(Duration::from_secs(10)).code(), Some(0));
    drop((idle, middle, strangers));
    let answer = read_answer(waiting);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
}

fn sync(server: &Server, token: &str, query: &str) -> (String, Value) {
    let answer = read_answer(server.send("GET", &format!("/_matrix/client/v3/sync?{query}"), token, ""));
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.to_owned(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

#[test]
fn without_tls_the_client_port_serves_other_servers_too() {
    let folder = folder();
    let config = with(CONFIG, ("[federation]\nlisten = [\"127.0.0.1:0\"]", "[federation]\nlisten = []\ntls = false"));
    let server = Server::start(folder.path(), &config);
    assert_eq!(server.servers, None);
    let (status, version) = server.ask("GET", "/_matrix/federation/v1/version", "");
    assert_eq!((status, version["server"]["name"].as_str()), (200, Some("Althing")));
    assert_eq!(server.ask("GET", "/_matrix/key/v2/server", "").1["server_name"], "a.test");
    assert_eq!(server.ask("GET", "/_matrix/client/versions", "").0, 200);
    for (method, path, status, errcode) in [
        ("GET", "/_matrix/federation/v1/event/$e", 401, "M_UNAUTHORIZED"),
        ("GET", "/_matrix/federation/v1/nothing", 404, "M_UNRECOGNIZED"),
        ("DELETE", "/_matrix/federation/v1/version", 405, "M_UNRECOGNIZED"),
        ("GET", "/_matrix/client/v3/nothing", 404, "M_UNRECOGNIZED"),
        ("GET", "/_matrix/nothing", 404, "M_UNRECOGNIZED"),
        ("GET", "/.well-known/matrix/server", 404, "M_UNRECOGNIZED"),
    ] {
        let (found, body) = server.ask(method, path, "");
        assert_eq!((found, body["errcode"].as_str()), (status, Some(errcode)), "{method} {path}");
    }
}

#[test]
fn well_known_files_are_served_where_the_configuration_says_so() {
    let folder = folder();
    let served = "serve_well_known = \"matrix.a.test:443\"\npublic_url = \"https://matrix.a.test\"\n[federation]\n";
    let server = Server::start(folder.path(), &with(CONFIG, ("[federation]\n", served)));
    let answer = server.ask("GET", "/.well-known/matrix/server", "");
    assert_eq!(answer, (200, json!({"m.server": "matrix.a.test:443"})));
    let answer = server.ask("GET", "/.well-known/matrix/client", "");
    assert_eq!(answer, (200, json!({"m.homeserver": {"base_url": "https://matrix.a.test"}})));
}

#[test]
fn a_key_of_synapse_works_as_it_is_and_is_published_when_it_is_replaced() {
    let folder = folder();
    let config =
        with(CONFIG, ("listen = [\"127.0.0.1:0\"]\n[registration]", "listen = []\ntls = false\n[registration]"));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let file = folder.path().join("data/signing.key");
    std::fs::write(&file, "ed25519 a_KsGl 3bCbBmzdMTeCnzxLrZwmkVQYrRHvRLA1hkQN4jtKPGw\n").unwrap();
    let server = Server::start(folder.path(), &config);
    let (_, before) = server.ask("GET", "/_matrix/key/v2/server", "");
    let key = &before["verify_keys"]["ed25519:a_KsGl"]["key"];
    assert!(key.is_string() && before["old_verify_keys"] == json!({}), "{before}");
    assert_eq!(server.terminate(Duration::from_secs(10)).code(), Some(0));
    let backup = folder.path().join("backup");
    assert_eq!(command(folder.path(), &["backup", backup.to_str().unwrap()], "").0, Some(0));

    std::fs::remove_file(&file).unwrap();
    let server = Server::start(folder.path(), &config);
    let (_, after) = server.ask("GET", "/_matrix/key/v2/server/ed25519:a_KsGl", "");
    assert_eq!(
        after["verify_keys"].as_object().map(|keys| keys.contains_key("ed25519:a_KsGl")),
        Some(false),
        "{after}"
    );
    let old = &after["old_verify_keys"]["ed25519:a_KsGl"];
    assert!(&old["key"] == key && old["expired_ts"].is_i64(), "{after}");
    assert_eq!(server.terminate(Duration::from_secs(10)).code(), Some(0));

    // The backup's database knows nothing of the second key: what it signed would be lost, but for the file that is kept.
    let data = folder.path().join("data");
    std::fs::copy(data.join("public.keys"), backup.join("public.keys")).unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    let server = Server::start(folder.path(), &config);
    let (_, restored) = server.ask("GET", "/_matrix/key/v2/server", "");
    let second = after["verify_keys"].as_object().unwrap().keys().next().unwrap();
    assert_eq!(restored["old_verify_keys"][second]["key"], after["verify_keys"][second]["key"], "{restored}");
    assert_eq!(restored["verify_keys"]["ed25519:a_KsGl"], before["verify_keys"]["ed25519:a_KsGl"], "{restored}");
}

#[test]
fn one_folder_has_one_server_and_one_name() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let said = refusal(folder.path(), CONFIG);
    assert!(said.contains("another althing runs on") && said.contains("data"), "{said}");
    assert_eq!(server.terminate(Duration::from_secs(10)).code(), Some(0));
    let other = with(CONFIG, ("a.test", "b.test"));
    for said in [refusal(folder.path(), &other), command(folder.path(), &["user", "list"], "").1] {
        assert!(said.contains("belongs to the server a.test, but server_name is b.test"), "{said}");
    }
}

#[test]
fn what_keeps_it_from_starting_is_named() {
    let folder = folder();
    let path = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refusal(path, &CONFIG.replacen("127.0.0.1:0", &address, 1));
    assert!(said.contains(&format!("cannot listen at {address} (client.listen)")), "{said}");

    std::fs::write(path.join("file"), "").unwrap();
    let said = refusal(path, &format!("data_dir = \"file/data\"\n{CONFIG}"));
    assert!(said.contains("file/data (data_dir)"), "{said}");

    let files = |certificate: &str, key: &str| {
        let files = format!("[federation]\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\"\n");
        refusal(path, &with(CONFIG, ("[federation]\n", &files)))
    };
    let said = files("none.pem", "none.key");
    assert!(said.contains("none.pem"), "{said}");
    for name in ["one", "two"] {
        let pair = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        std::fs::write(path.join(format!("{name}.pem")), pair.cert.pem()).unwrap();
        std::fs::write(path.join(format!("{name}.key")), pair.signing_key.serialize_pem()).unwrap();
    }
    let said = files("one.pem", "two.key");
    assert!(said.contains("one.pem") && said.contains("two.key") && said.contains("are no pair"), "{said}");
    let said = files("one.key", "one.key");
    assert!(said.contains("one.key: it holds no certificate"), "{said}");

    let said = command(path, &["serve", "--config", "nowhere.toml"], "");
    assert!(said.0 == Some(1) && said.1.contains("cannot read the configuration nowhere.toml"), "{said:?}");
}

/// The database, and what may happen to it on a disk.
type Damage = fn(&Path);

#[test]
fn a_damaged_database_is_not_served() {
    let made = folder();
    std::fs::write(made.path().join("althing.toml"), CONFIG).expect("the folder is ours");
    for number in 0..30 {
        let name = format!("user{number}");
        assert_eq!(command(made.path(), &["user", "create", &name, "--password-stdin"], "secret\n").0, Some(0));
    }
    let whole = std::fs::read(made.path().join("data/althing.db")).unwrap();
    let cases: [(&str, Damage); 5] = [
        ("is damaged", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.chunks_mut(4096).skip(1).for_each(|page| page[..64].fill(0xa5));
            std::fs::write(path, bytes).unwrap();
        }),
        ("is damaged", |path| std::fs::File::options().write(true).open(path).unwrap().set_len(30_000).unwrap()),
        ("no database of Althing", |path| std::fs::write(path, [0xa5; 100_000]).unwrap()),
        ("is no log", |path| std::fs::write(path.with_file_name("althing.db-wal"), [0xa5; 100_000]).unwrap()),
        ("is missing or empty", |path| {
            std::fs::write(path.with_file_name("althing.db-wal"), [0xa5; 100_000]).unwrap();
            std::fs::remove_file(path).unwrap();
        }),
    ];
    for (said, damage) in cases {
        let folder = folder();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let database = folder.path().join("data/althing.db");
        std::fs::write(&database, &whole).unwrap();
        damage(&database);
        let refused = refusal(folder.path(), CONFIG);
        assert!(refused.contains("data/althing.db") && refused.contains(said), "{said}: {refused}");
    }
}

#[test]
fn a_database_whose_log_was_cut_off_is_not_served() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let account = json!({"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}});
    let (_, alice) = server.ask("POST", "/_matrix/client/v3/register", &account.to_string());
    let token = format!("Authorization: Bearer {}\r\n", alice["access_token"].as_str().unwrap());
    // From now on the log is short: what is in it stays there until the server ends.
    assert!(server.terminate(Duration::from_secs(10)).success());
    let server = Server::start(folder.path(), CONFIG);
    assert_eq!(server.ask_as(&token, "POST", "/_matrix/client/v3/createRoom", "{}").0, 200);
    // It is killed.
    drop(server);
    let log = folder.path().join("data/althing.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 32);
    std::fs::File::options().write(true).open(&log).unwrap().set_len(32).unwrap();
    let refused = refusal(folder.path(), CONFIG);
    assert!(refused.contains("lacks what it had when it was last used"), "{refused}");
    std::fs::remove_file(folder.path().join("data/althing.db-mark")).unwrap();
    let server = Server::start(folder.path(), CONFIG);
    assert!(server.log.iter().any(|line| line.contains("a backup, of unknown age")), "{:?}", server.log);
}

#[test]
fn logs_are_one_json_object_a_line_if_the_configuration_says_so() {
    let folder = folder();
    let server = Server::start(folder.path(), &format!("{CONFIG}[log]\nformat = \"json\"\n"));
    let lines: Vec<Value> = server.log.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let ready = lines.last().unwrap();
    assert_eq!((&ready["message"], &ready["level"]), (&json!("a.test is ready"), &json!("INFO")));
    assert!(ready["duration_ms"].is_u64(), "{ready}");
}

#[test]
fn environment_variables_override_the_file_lists_included() {
    let folder = folder();
    std::fs::write(folder.path().join("althing.toml"), CONFIG).unwrap();
    let mut check = althing(folder.path());
    check.env("ALTHING_CLIENT__LISTEN", "127.0.0.1:0, 127.0.0.2:0").env("ALTHING_DATA_DIR", "elsewhere").arg("check");
    let said = String::from_utf8(run(check, "").stdout).unwrap();
    assert!(said.contains("127.0.0.2:0") && said.contains("elsewhere/"), "{said}");
}

#[test]
fn accounts_are_made_whether_a_server_runs_or_not() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("althing.toml"), CONFIG).unwrap();
    let create = |name: &str| command(path, &["user", "create", name, "--password-stdin"], "wonderland\n");
    assert_eq!(create("alice"), (Some(0), "@alice:a.test\n".to_owned()));
    let (status, said) = create("@alice:a.test");
    assert!(status == Some(1) && said.contains("@alice:a.test is taken"), "{said}");
    let server = Server::start(path, CONFIG);
    assert_eq!(create("bob"), (Some(0), "@bob:a.test\n".to_owned()));
    let login = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "bob"}, "password": "wonderland"});
    assert_eq!(server.ask("POST", "/_matrix/client/v3/login", &login.to_string()).0, 200);
    let list = command(path, &["user", "list"], "");
    assert_eq!(list, (Some(0), "@alice:a.test\n@bob:a.test\n".to_owned()));
    server.terminate(Duration::from_secs(10));
    let admin = command(path, &["user", "create", "carol", "--admin", "--password-stdin"], "wonderland\n");
    assert_eq!(admin.0, Some(0), "{}", admin.1);
    let list = command(path, &["user", "list"], "");
    assert_eq!(list, (Some(0), "@alice:a.test\n@bob:a.test\n@carol:a.test  admin\n".to_owned()));
}

#[test]
fn rooms_are_purged_whether_a_server_runs_or_not() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let account = json!({"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}});
    let (_, alice) = server.ask("POST", "/_matrix/client/v3/register", &account.to_string());
    let token = format!("Authorization: Bearer {}\r\n", alice["access_token"].as_str().unwrap());
    let room = || {
        let (status, made) = server.ask_as(&token, "POST", "/_matrix/client/v3/createRoom", "{}");
        assert_eq!(status, 200, "{made}");
        made["room_id"].as_str().unwrap().to_owned()
    };
    let (purged, left, kept) = (room(), room(), room());
    let rooms = |server: &Server| {
        let (_, joined) = server.ask_as(&token, "GET", "/_matrix/client/v3/joined_rooms", "");
        joined["joined_rooms"].as_array().unwrap().len()
    };
    let (status, said) = command(folder.path(), &["room", "purge", &purged], "");
    assert_eq!(status, Some(1));
    assert!(said.contains("@alice:a.test among them") && rooms(&server) == 3, "{said}");
    let (status, said) = command(folder.path(), &["room", "purge", &purged, "--leave"], "");
    assert_eq!((status, said.as_str()), (Some(0), format!("{purged} is purged\n").as_str()));
    assert_eq!(rooms(&server), 2);
    let (status, said) = command(folder.path(), &["room", "purge", &purged], "");
    assert!(status == Some(1) && said.contains("not known here"), "{said}");

    let (status, _) = server.ask_as(&token, "POST", &format!("/_matrix/client/v3/rooms/{left}/leave"), "{}");
    assert_eq!(status, 200);
    assert!(server.terminate(Duration::from_secs(10)).success());
    let (status, said) = command(folder.path(), &["room", "purge", &kept], "");
    assert!(status == Some(1) && said.contains("--leave"), "{said}");
    let (status, said) = command(folder.path(), &["room", "purge", &left], "");
    assert_eq!((status, said.as_str()), (Some(0), format!("{left} is purged\n").as_str()));
    let server = Server::start(folder.path(), CONFIG);
    assert_eq!(rooms(&server), 1);
}

#[test]
fn events_are_explained_whether_a_server_runs_or_not() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let account = json!({"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}});
    let (_, alice) = server.ask("POST", "/_matrix/client/v3/register", &account.to_string());
    let token = format!("Authorization: Bearer {}\r\n", alice["access_token"].as_str().unwrap());
    let (_, made) = server.ask_as(&token, "POST", "/_matrix/client/v3/createRoom", "{}");
    let room = made["room_id"].as_str().unwrap().to_owned();
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/1");
    let (_, sent) = server.ask_as(&token, "PUT", &path, r#"{"msgtype":"m.text","body":"hello"}"#);
    let event = sent["event_id"].as_str().unwrap().to_owned();
    let check = || {
        let (status, said) = command(folder.path(), &["explain", &event], "");
        assert_eq!(status, Some(0), "{said}");
        for part in
            [&event, &room, "Verdict: accepted", "it was made here", "allowed", "m.room.power_levels", ": right"]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        let (status, said) = command(folder.path(), &["explain", &event, "--json", "--state"], "");
        assert_eq!(status, Some(0), "{said}");
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&told["event_id"], &told["room_id"]), (&json!(event), &json!(room)));
        assert_eq!(told["verdict"]["outcome"], "accepted");
        assert_eq!(told["event"]["signatures"][0]["result"], "right");
        assert_eq!(told["state_before"]["entries"].as_array().unwrap().len(), told["state_before"]["size"]);
        let (status, said) = command(folder.path(), &["explain", "$never"], "");
        assert!(status == Some(1) && said.contains("never heard of the event $never"), "{said}");
    };
    check();
    assert!(server.terminate(Duration::from_secs(10)).success());
    check();
    assert_eq!(command(folder.path(), &["explain", "no id"], "").0, Some(2));
}

/// Says something in a room, and returns the event's id.
fn say(server: &Server, token: &str, room: &str, text: &str) -> String {
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{text}");
    let (status, sent) = server.ask_as(token, "PUT", &path, &json!({"msgtype": "m.text", "body": text}).to_string());
    assert_eq!(status, 200, "{sent}");
    sent["event_id"].as_str().expect("an id").to_owned()
}

/// The ids of the newest events of a room.
fn history(server: &Server, token: &str, room: &str) -> Vec<String> {
    let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=100");
    let (status, page) = server.ask_as(token, "GET", &path, "");
    assert_eq!(status, 200, "{page}");
    let events = page["chunk"].as_array().expect("a page");
    events.iter().filter_map(|event| event["event_id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_backup_of_a_running_server_has_all_that_was_acknowledged_and_gives_out_nothing_again() {
    let folder = folder();
    let config = format!("{CONFIG}[limits]\nenabled = false\n");
    let server = Server::start(folder.path(), &config);
    let account = json!({"username": "alice", "password": "wonderland", "auth": {"type": "m.login.dummy"}});
    let (_, alice) = server.ask("POST", "/_matrix/client/v3/register", &account.to_string());
    let token = format!("Authorization: Bearer {}\r\n", alice["access_token"].as_str().unwrap());
    let (_, made) = server.ask_as(&token, "POST", "/_matrix/client/v3/createRoom", "{}");
    let room = made["room_id"].as_str().unwrap().to_owned();
    let before: Vec<String> = (0..20).map(|n| say(&server, &token, &room, &format!("before-{n}"))).collect();
    std::thread::scope(|scope| {
        let path = folder.path();
        let backup = scope.spawn(move || command(path, &["backup", "copy"], ""));
        let mut number = 0;
        while !backup.is_finished() {
            say(&server, &token, &room, &format!("during-{number}"));
            number += 1;
        }
        let (status, said) = backup.join().unwrap();
        assert!(status == Some(0) && said.contains("signing key") && number > 0, "{said}");
    });
    let lost = say(&server, &token, &room, "lost");
    let (_, after) = sync(&server, &token, "");
    let since = after["next_batch"].as_str().unwrap().to_owned();
    for (refused, why) in [("copy", "is not empty"), ("data/copy", "folder of data"), ("none/copy", "cannot write")] {
        let (status, said) = command(folder.path(), &["backup", refused], "");
        assert!(status == Some(1) && said.contains(why), "{said}");
    }
    drop(server);

    let copy = folder.path().join("copy");
    let left = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".althing-backup-"));
    assert_eq!(left.count(), 0);
    assert_eq!(std::fs::metadata(copy.join("althing.db")).unwrap().permissions().mode() & 0o777, 0o600);
    let mut given = vec![since.clone()];
    // The same backup is restored twice.
    for _ in 0..2 {
        let restored = self::folder();
        std::fs::create_dir(restored.path().join("data")).unwrap();
        for entry in std::fs::read_dir(&copy).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), restored.path().join("data").join(entry.file_name())).unwrap();
            }
        }
        let server = Server::start(restored.path(), &config);
        let known = history(&server, &token, &room);
        assert!(before.iter().all(|event| known.contains(event)), "what was acknowledged before is there");
        assert!(!known.contains(&lost), "what came after is not");
        let new = say(&server, &token, &room, "new");
        let (head, news) = sync(&server, &token, &format!("since={since}"));
        assert!(head.contains("200"), "{head}");
        let text = news.to_string();
        assert!(text.contains(&new), "a client from after the backup goes on: {text}");
        let next = news["next_batch"].as_str().unwrap().to_owned();
        assert!(!given.contains(&next), "{next} was given out before: {given:?}");
        given.push(next);
        assert!(server.terminate(Duration::from_secs(10)).success());
    }
    let (status, said) = command(self::folder().path(), &["backup", "copy"], "");
    assert!(status == Some(1) && said.contains("althing.toml"), "{said}");
}

#[test]
fn what_is_secret_is_for_its_owner_alone() {
    let folder = folder();
    let server = Server::start(folder.path(), CONFIG);
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o077;
    for name in ["data", "data/signing.key", "data/self-signed.key", "data/althing.db"] {
        assert_eq!(mode(name), 0, "{name}");
    }
    drop(server);
}

#[test]
fn the_demonstration_ends_well_and_tells_the_time_of_each_step() {
    let folder = folder();
    let (status, said) = command(folder.path(), &["demo", "--once"], "");
    assert_eq!(status, Some(0), "{said}");
    let steps: Vec<_> = said.lines().filter_map(|line| line.trim().split_once(" ms  ")).collect();
    assert!(steps.iter().all(|(time, _)| time.parse::<f64>().is_ok()), "{said}");
    for expected in ["started", "created the room", "joined it over federation", "Hello, neighbour!", "in all"] {
        assert!(steps.iter().any(|(_, what)| what.contains(expected)), "{expected}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing where it was started");
}
