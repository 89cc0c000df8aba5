//! Databases that earlier versions left: they are opened, brought up to date, and served from. `tests/databases/README.md` of
//! `persistence` says how they were made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[expect(unreachable_pub, reason = "shared by tests only")]
mod running;

use std::path::Path;
use std::time::Duration;

use running::{Server, althing, run};
use rusqlite::Connection;
use serde_json::{Value, json};

const CONFIG: &str = "server_name = \"a.test\"\n\
    [client]\nlisten = [\"127.0.0.1:0\"]\n\
    [federation]\nlisten = [\"127.0.0.1:0\"]\n\
    [limits]\nenabled = false\n";

/// What a server of an earlier version left.
struct Left {
    database: &'static str,
    /// Tokens that it gave to its two users.
    alice: &'static str,
    bob: &'static str,
    /// Where a client was in its sync.
    since: &'static str,
    /// Its rooms of versions 1, 6 and 12.
    rooms: [&'static str; 3],
}

const SCHEMA_1: Left = Left {
    database: include_str!("../../persistence/tests/databases/schema-1.sql"),
    alice: "althing_BDb7rYD81V172sljRmgu3WUE8n2t7hlQn2A2Phi9p5",
    bob: "althing_xqa49JT385nx0nRsOYYn05QDJNX2bTPlDFs0CoRi7e",
    since: "s1_49_6_3_1795877173496_1_0_49",
    rooms: ["!GcLZaoOWcW5bz3YpVu:a.test", "!m3Y5HVXzklRSUPBvml:a.test", "!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw"],
};

const SCHEMA_2: Left = Left {
    database: include_str!("../../persistence/tests/databases/schema-2.sql"),
    alice: "althing_Za6ykEQiYuy0MPPAsIKDcmPG0LFTrsZHl6wd4FLrU0",
    bob: "althing_dMxH2KfSp63OKWv45TvJG6q9pWSQ5G56KiAiGRtqop",
    since: "s1_43_6_3_1795953608721_1_0_43",
    rooms: ["!hvYazyPYYoUAc0DiFN:a.test", "!IlbYC2r3MyUlDsGdp5:a.test", "!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw"],
};

fn make(database: &str, folder: &Path) {
    std::fs::create_dir(folder.join("data")).unwrap();
    Connection::open(folder.join("data/althing.db")).unwrap().execute_batch(database).unwrap();
}

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Value {
    let headers = format!("Authorization: Bearer {token}\r\n");
    let (status, answer) = server.ask_as(&headers, method, &format!("/_matrix/client/v3/{path}"), body);
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

#[test]
fn a_database_of_the_first_schema_is_served_from() {
    is_served_from(&SCHEMA_1);
}

#[test]
fn a_database_of_the_second_schema_is_served_from() {
    is_served_from(&SCHEMA_2);
}

fn is_served_from(left: &Left) {
    let folder = tempfile::tempdir().unwrap();
    make(left.database, folder.path());
    let server = Server::start(folder.path(), CONFIG);
    assert!(server.servers.is_some(), "{:?}", server.log);
    let (alice, bob) = (left.alice, left.bob);
    assert_eq!(ask(&server, alice, "GET", "account/whoami", "")["user_id"], "@alice:a.test");
    let login = json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "bob" }, "password": "builder of things" });
    assert_eq!(server.ask("POST", "/_matrix/client/v3/login", &login.to_string()).0, 200);
    let since = ask(&server, alice, "GET", &format!("sync?since={}", left.since), "");
    assert_eq!(since["rooms"]["join"], json!({}), "nothing happened since");
    for (room, version) in left.rooms.iter().zip(["1", "6", "12"]) {
        let room = room.replace('!', "%21");
        let topic = ask(&server, alice, "GET", &format!("rooms/{room}/state/m.room.topic"), "");
        assert_eq!(topic["topic"], format!("of version {version}"));
        let said = ask(&server, alice, "PUT", &format!("rooms/{room}/send/m.room.message/new"), r#"{"body":"new"}"#);
        let filter = "%7B%22types%22%3A%5B%22m.room.message%22%5D%7D";
        let messages = ask(&server, alice, "GET", &format!("rooms/{room}/messages?dir=b&limit=50&filter={filter}"), "");
        let messages = messages["chunk"].as_array().unwrap();
        let bodies: Vec<&str> = messages.iter().filter_map(|message| message["content"]["body"].as_str()).collect();
        assert_eq!(bodies, ["new", "message 4", "message 3", "message 2", "message 1"]);
        assert_eq!(messages[0]["event_id"], said["event_id"]);
        assert_eq!(messages[5]["unsigned"]["redacted_because"]["content"]["reason"], "wrong");
        let members = ask(&server, alice, "GET", &format!("rooms/{room}/joined_members"), "");
        assert_eq!(members["joined"].get("@bob:a.test").is_some(), version != "6");
    }
    let first = ask(&server, bob, "GET", "sync", "");
    assert_eq!(first["rooms"]["join"].as_object().unwrap().len(), 2);
    assert_eq!(first["to_device"]["events"][0]["content"], json!({ "for": "bob" }));
    let data = ask(&server, alice, "GET", "user/@alice:a.test/account_data/org.test", "");
    assert_eq!(data, json!({ "kept": true }));
    assert!(server.terminate(Duration::from_secs(20)).success());

    let mut check = althing(folder.path());
    check.arg("check");
    let checked = run(check, "");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("ok    database       data/althing.db is whole"), "{said}");
}
