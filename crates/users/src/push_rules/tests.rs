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

#[tokio::test]
async fn the_defaults_are_those_of_the_specification_in_its_order() {
    let (_, rules) = rules(&server()).await;
    let json = rules.to_json();
    let ids = |kind: &str| -> Vec<String> {
        let rules = json[kind].as_array().unwrap();
        rules.iter().map(|rule| rule["rule_id"].as_str().unwrap().to_owned()).collect()
    };
    let (overrides, underrides) = (
        [
            ".m.rule.master",
            ".m.rule.suppress_notices",
            ".m.rule.invite_for_me",
            ".m.rule.member_event",
            ".m.rule.is_user_mention",
            ".m.rule.is_room_mention",
            ".m.rule.tombstone",
            ".m.rule.reaction",
            ".m.rule.room.server_acl",
            ".m.rule.suppress_edits",
        ],
        [
            ".m.rule.call",
            ".m.rule.encrypted_room_one_to_one",
            ".m.rule.room_one_to_one",
            ".m.rule.message",
            ".m.rule.encrypted",
        ],
    );
    assert_eq!(ids("override"), overrides);
    assert_eq!(ids("underride"), underrides);
    assert!(["content", "room", "sender"].iter().all(|kind| ids(kind).is_empty()));
}

#[tokio::test]
async fn rules_take_the_place_that_they_are_given() {
    let server = server();
    let (alice, _) = rules(&server).await;
    let put = |id: &'static str, before: Option<&'static str>, after: Option<&'static str>| {
        let rule = given::rule(&RuleKind::Content, id, &object(json!({ "pattern": "x", "actions": [] }))).unwrap();
        server.users.add_push_rule(&alice, rule, before.map(str::to_owned), after.map(str::to_owned))
    };
    let order = || async {
        let json = server.users.push_rules(&alice).await.unwrap().to_json();
        let rules = json["content"].as_array().unwrap();
        rules.iter().map(|rule| rule["rule_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    put("c", None, None).await.unwrap();
    put("a", None, None).await.unwrap();
    assert_eq!(order().await, ["a", "c"], "the newest is the most important");
    put("b", None, Some("a")).await.unwrap();
    assert_eq!(order().await, ["a", "b", "c"]);
    server.users.enable_push_rule(&alice, RuleKind::Content, "a".to_owned(), false).await.unwrap();
    put("a", None, Some("c")).await.unwrap();
    assert_eq!(order().await, ["b", "c", "a"], "to the end");
    let rules = server.users.push_rules(&alice).await.unwrap();
    assert_eq!(rules.rule("content", "a").unwrap()["enabled"], false, "an update leaves it switched off");
    put("a", Some("b"), None).await.unwrap();
    put("b", None, None).await.unwrap();
    assert_eq!(order().await, ["a", "b", "c"], "without a place it stays where it is");
    for (before, after) in [(Some("a"), None), (None, Some("a")), (Some("b"), Some("c"))] {
        assert!(matches!(put("a", before, after).await, Err(PushRuleError::Invalid(_))), "{before:?} {after:?}");
    }
    assert!(matches!(put("a", Some("gone"), None).await, Err(PushRuleError::NotFound)));
    assert_eq!(order().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn numbers_in_rules_are_kept_and_compared() {
    let server = server();
    let (alice, _) = rules(&server).await;
    let put = |id: &'static str, condition: Value| {
        let body = json!({ "actions": ["notify", { "set_tweak": "highlight" }], "conditions": [condition] });
        let rule = given::rule(&RuleKind::Override, id, &object(body)).unwrap();
        server.users.add_push_rule(&alice, rule, None, None)
    };
    let unknown = json!({ "kind": "org.example.unknown", "x": 1 });
    put("unknown", unknown.clone()).await.unwrap();
    put("five", json!({ "kind": "event_property_is", "key": "content.x", "value": 5 })).await.unwrap();
    put("six", json!({ "kind": "event_property_contains", "key": "content.y", "value": 6 })).await.unwrap();
    let rules = server.users.push_rules(&alice).await.unwrap();
    assert_eq!(rules.rule("override", "unknown").unwrap()["conditions"], json!([unknown]));
    for (content, expected) in [
        (json!({ "msgtype": "m.text", "x": 5 }), Notification::Highlight),
        (json!({ "msgtype": "m.text", "x": 4 }), Notification::Notify),
        (json!({ "msgtype": "m.text", "y": [5, 6] }), Notification::Highlight),
        (json!({ "msgtype": "m.text", "y": [5] }), Notification::Notify),
    ] {
        assert_eq!(rules.evaluate(&message("@bob:a.test", content.clone()), &context()), expected, "{content}");
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let rule =
        |kind: &str, id: &str, body: Value| given::rule(&given::kind(kind).unwrap(), id, &object(body)).map(drop);
    let with = |condition: Value| rule("override", "x", json!({ "actions": [], "conditions": [condition] }));
    for good in [
        rule("override", "x", json!({ "actions": [] })),
        rule("underride", "x", json!({ "actions": ["dont_notify", "coalesce", "notify"] })),
        rule("room", "!r:a.test", json!({ "actions": [{ "set_tweak": "highlight" }] })),
        rule("room", "!noserverinthisoneitisaversion12room", json!({ "actions": [] })),
        rule("sender", "@u:a.test", json!({ "actions": [{ "set_tweak": "sound", "value": "default" }] })),
        with(json!({ "kind": "event_match", "key": "content.body", "pattern": "x" })),
        with(json!({ "kind": "event_property_is", "key": "content.x", "value": null })),
        with(json!({ "kind": "room_member_count", "is": "<=10" })),
        with(json!({ "kind": "org.example.unknown", "x": 1 })),
    ] {
        assert!(good.is_ok(), "{good:?}");
    }
    for bad in [
        rule("override", "", json!({ "actions": [] })),
        rule("override", &"x".repeat(256), json!({ "actions": [] })),
        rule("override", "x", json!({ "actions": "notify" })),
        rule("override", "x", json!({ "actions": ["shout"] })),
        rule("override", "x", json!({ "actions": [{ "tweak": 1 }] })),
        rule("override", "x", json!({ "actions": vec!["notify"; 21] })),
        rule("override", "x", json!({ "actions": [], "conditions": {} })),
        rule("content", "x", json!({ "actions": [], "pattern": 1 })),
        rule("content", "x", json!({ "actions": [], "pattern": "x".repeat(5_000) })),
        rule("room", "no room", json!({ "actions": [] })),
        rule("sender", "no user", json!({ "actions": [] })),
        with(json!({ "kind": "event_match", "key": "x" })),
        with(json!({ "kind": "event_property_contains", "key": "x", "value": [] })),
        with(json!({ "kind": "event_property_is", "key": "x" })),
        with(json!({ "kind": "room_member_count", "is": "few" })),
        with(json!({ "kind": "sender_notification_permission" })),
        with(json!({})),
    ] {
        assert!(matches!(bad, Err(PushRuleError::Invalid(_))), "{bad:?}");
    }
    assert!(matches!(rule("override", "x", json!({})), Err(PushRuleError::Missing("actions"))));
    assert!(matches!(rule("content", "x", json!({ "actions": [] })), Err(PushRuleError::Missing("pattern"))));
    assert!(given::kind("device").is_none());
    let kept = given::actions(Some(&json!(["dont_notify", "notify"]))).unwrap();
    assert_eq!(serde_json::to_value(kept).unwrap(), json!(["notify"]));
}
