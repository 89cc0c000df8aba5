use super::*;
use crate::keys::KeyUpload;
use crate::testing::{ClientKey, object, server, user};

#[tokio::test]
async fn other_servers_learn_about_our_users_only_what_is_theirs_to_know() {
    let server = server();
    let origin = ServerName::parse("b.test").unwrap();
    let questions: &dyn UserQuestions = &server.users;
    let alice = server.user("alice", "PHONE").await;
    let tablet = server.device(&alice.user_id, "TABLET").await;
    let key = ClientKey::new(1);
    let upload = KeyUpload {
        device_keys: Some(key.device_keys(&alice.user_id, &tablet)),
        one_time_keys: object(json!({ "signed_curve25519:A": key.one_time_key(&alice.user_id, &tablet, 2) })),
        ..KeyUpload::default()
    };
    server.users.upload_keys(&alice.user_id, &tablet, upload).await.unwrap();

    let list = questions.devices(&origin, &alice.user_id).await.unwrap();
    assert_eq!((&list["user_id"], &list["stream_id"]), (&json!("@alice:a.test"), &json!(1)));
    assert_eq!(list["devices"].as_array().unwrap().len(), 1);
    assert_eq!(list["devices"][0]["device_id"], "TABLET");

    let body = object(json!({ "device_keys": { "@alice:a.test": [] } }));
    let keys = questions.query_keys(&origin, body).await.unwrap();
    let tablet = &keys["device_keys"]["@alice:a.test"]["TABLET"];
    assert!(tablet["keys"].is_object() && tablet.get("unsigned").is_none(), "names of devices stay here: {tablet}");
    assert!(keys.get("user_signing_keys").is_none());

    let body = object(json!({ "one_time_keys": { "@alice:a.test": { "TABLET": "signed_curve25519" } } }));
    let claimed = questions.claim_keys(&origin, body.clone()).await.unwrap();
    assert!(claimed["one_time_keys"]["@alice:a.test"]["TABLET"]["signed_curve25519:A"].is_object());
    assert_eq!(questions.claim_keys(&origin, body).await.unwrap(), json!({ "one_time_keys": {} }));
}

#[tokio::test]
async fn profiles_are_answered_whole_or_by_field() {
    let server = server();
    let origin = ServerName::parse("b.test").unwrap();
    let questions: &dyn UserQuestions = &server.users;
    let alice = server.user("alice", "PHONE").await.user_id;
    for (field, expected) in [
        (None, json!({ "displayname": "alice" })),
        (Some("displayname"), json!({ "displayname": "alice" })),
        (Some("avatar_url"), json!({})),
    ] {
        let answer = questions.profile(&origin, &alice, field.map(str::to_owned)).await.unwrap();
        assert_eq!(answer, expected, "{field:?}");
    }
}

#[tokio::test]
async fn broken_questions_are_refused() {
    let server = server();
    let origin = ServerName::parse("b.test").unwrap();
    let questions: &dyn UserQuestions = &server.users;
    let status = |answer: Result<Value, ApiError>| answer.unwrap_err().status;
    let (nobody, elsewhere) = (user("@nobody:a.test"), user("@bob:b.test"));
    assert_eq!(status(questions.profile(&origin, &nobody, None).await), 404);
    assert_eq!(status(questions.profile(&origin, &elsewhere, None).await), 400);
    assert_eq!(status(questions.devices(&origin, &nobody).await), 404);
    assert_eq!(status(questions.devices(&origin, &elsewhere).await), 400);
    for body in [json!({}), json!({ "device_keys": [] }), json!({ "device_keys": { "@bob:b.test": [] } })] {
        assert_eq!(status(questions.query_keys(&origin, object(body.clone())).await), 400, "{body}");
    }
    for body in [json!({}), json!({ "one_time_keys": { "@alice:a.test": 1 } })] {
        assert_eq!(status(questions.claim_keys(&origin, object(body.clone())).await), 400, "{body}");
    }
}
