use super::*;
use crate::testing::{Server, object, server};

fn context() -> PushContext {
    PushContext {
        display_name: Some("Alice Wonder".to_owned()),
        member_count: 5,
        power_levels: Some(object(json!({ "users": { "@mod:a.test": 50 }, "notifications": { "room": 50 } }))),
        room_version: RoomVersion::V11,
        creators: vec![UserId::parse("@creator:a.test").unwrap()],
    }
}

fn message(sender: &str, content: Value) -> Object {
    object(json!({
        "type": "m.room.message", "room_id": "!r:a.test", "event_id": "$e", "sender": sender, "content": content,
    }))
}

async fn rules(server: &Server) -> (UserId, PushRules) {
    let alice = server.user("alice", "A").await.user_id;
    let rules = server.users.push_rules(&alice).await.unwrap();
    (alice, rules)
}

#[tokio::test]
async fn the_defaults_say_what_the_specification_says() {
    let (_, rules) = rules(&server()).await;
    let text = |body: &str| json!({ "msgtype": "m.text", "body": body });
    let mention = json!({ "msgtype": "m.text", "body": "x", "m.mentions": { "user_ids": ["@alice:a.test"] } });
    let at_room = json!({ "msgtype": "m.text", "body": "@room", "m.mentions": { "room": true } });
    let edit =
        json!({ "msgtype": "m.text", "body": "x", "m.relates_to": { "rel_type": "m.replace", "event_id": "$x" } });
    for (sender, content, expected) in [
        ("@bob:a.test", text("hello"), Notification::Notify),
        ("@alice:a.test", text("hello"), Notification::None),
        ("@bob:a.test", json!({ "msgtype": "m.notice", "body": "x" }), Notification::None),
        ("@bob:a.test", mention, Notification::Highlight),
        ("@mod:a.test", at_room.clone(), Notification::Highlight),
        ("@bob:a.test", at_room, Notification::Notify),
        ("@bob:a.test", edit, Notification::None),
    ] {
        assert_eq!(rules.evaluate(&message(sender, content.clone()), &context()), expected, "{sender} {content}");
    }
    let invite = object(json!({
        "type": "m.room.member", "state_key": "@alice:a.test", "room_id": "!r:a.test", "sender": "@bob:a.test",
        "content": { "membership": "invite" },
    }));
    assert_eq!(rules.evaluate(&invite, &context()), Notification::Notify);
}

#[tokio::test]
async fn creators_may_notify_the_room_without_a_level() {
    let (_, rules) = rules(&server()).await;
    let at_room = json!({ "msgtype": "m.text", "body": "@room", "m.mentions": { "room": true } });
    let at_room = message("@creator:a.test", at_room);
    let evaluate = |room_version, power_levels: Option<Object>| {
        rules.evaluate(&at_room, &PushContext { room_version, power_levels, ..context() })
    };
    let levels = || context().power_levels;
    assert_eq!(evaluate(RoomVersion::V12, levels()), Notification::Highlight);
    assert_eq!(evaluate(RoomVersion::V11, levels()), Notification::Notify);
    assert_eq!(evaluate(RoomVersion::V11, None), Notification::Highlight);
}

#[tokio::test]
async fn rules_of_ones_own_are_added_changed_and_deleted() {
    let server = server();
    let (alice, _) = rules(&server).await;
    let rule = NewPatternedPushRule::new("cake".to_owned(), "cake*lie".to_owned(), vec![PushAction::Notify]);
    server.users.add_push_rule(&alice, NewPushRule::Content(rule), None, None).await.unwrap();
    let notices = |notify: bool| if notify { vec![PushAction::Notify] } else { Vec::new() };
    let rule_id = || ".m.rule.suppress_notices".to_owned();
    server.users.set_push_rule_actions(&alice, RuleKind::Override, rule_id(), notices(true)).await.unwrap();
    server.users.enable_push_rule(&alice, RuleKind::Underride, ".m.rule.message".to_owned(), false).await.unwrap();

    let rules = server.users.push_rules(&alice).await.unwrap();
    assert_eq!(rules.rule("content", "cake").unwrap()["pattern"], "cake*lie");
    assert_eq!(rules.rule("override", ".m.rule.suppress_notices").unwrap()["actions"], json!(["notify"]));
    assert_eq!(rules.rule("underride", ".m.rule.message").unwrap()["enabled"], json!(false));
    let evaluate = |content: Value| rules.evaluate(&message("@bob:a.test", content), &context());
    assert_eq!(evaluate(json!({ "msgtype": "m.notice", "body": "x" })), Notification::Notify);
    assert_eq!(evaluate(json!({ "msgtype": "m.text", "body": "hello" })), Notification::None);
    assert_eq!(evaluate(json!({ "msgtype": "m.text", "body": "the cake is a lie" })), Notification::Notify);

    server.users.delete_push_rule(&alice, RuleKind::Content, "cake".to_owned()).await.unwrap();
    let again = server.users.delete_push_rule(&alice, RuleKind::Content, "cake".to_owned()).await;
    assert!(matches!(again, Err(PushRuleError::NotFound)));
    let default = server.users.delete_push_rule(&alice, RuleKind::Override, rule_id()).await;
    assert!(matches!(default, Err(PushRuleError::Invalid(_))));
    let missing = server.users.enable_push_rule(&alice, RuleKind::Room, "!x:a.test".to_owned(), true).await;
    assert!(matches!(missing, Err(PushRuleError::NotFound)));
}

#[tokio::test]
async fn clients_find_every_kind_and_the_same_in_their_account_data() {
    let server = server();
    let (alice, rules) = rules(&server).await;
    let json = rules.to_json();
    assert!(KINDS.iter().all(|kind| json[*kind].is_array()), "{json}");
    assert_eq!(json["override"][0]["rule_id"], ".m.rule.master");
    let stored = server.users.account_data(&alice, None, TYPE).await.unwrap().unwrap();
    assert_eq!(stored["global"], json);
}

#[tokio::test]
async fn their_number_is_bounded() {
    let server = server();
    let (alice, rules) = rules(&server).await;
    let add = |number: usize| {
        let rule = NewPatternedPushRule::new(number.to_string(), "x".to_owned(), Vec::new());
        server.users.add_push_rule(&alice, NewPushRule::Content(rule), None, None)
    };
    for number in rules.count()..RULES_PER_USER_MAX {
        add(number).await.unwrap();
    }
    assert!(matches!(add(RULES_PER_USER_MAX).await, Err(PushRuleError::TooMany)));
    assert!(add(rules.count()).await.is_ok(), "a rule can be replaced");
}
