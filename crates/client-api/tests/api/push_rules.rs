use serde_json::json;

use crate::harness::server;

const RULES: &str = "v3/pushrules/global";

#[tokio::test(start_paused = true)]
async fn rules_are_put_read_switched_and_deleted() {
    let server = server().await;
    let token = server.register("alice").await;
    let rule = format!("{RULES}/content/cake");
    server.put(&rule, &token, json!({ "pattern": "cake", "actions": ["notify", "dont_notify"] })).await.ok();
    let expected = json!({
        "rule_id": "cake", "pattern": "cake", "default": false, "enabled": true, "actions": ["notify"],
    });
    assert_eq!(server.get(&rule, &token).await.ok(), expected);
    assert_eq!(server.get(&format!("{rule}/enabled"), &token).await.ok(), json!({ "enabled": true }));
    server.put(&format!("{rule}/enabled"), &token, json!({ "enabled": false })).await.ok();
    server.put(&format!("{rule}/actions"), &token, json!({ "actions": [] })).await.ok();
    assert_eq!(server.get(&format!("{rule}/actions"), &token).await.ok(), json!({ "actions": [] }));
    let before = format!("{RULES}/content/lie?before=cake");
    server.put(&before, &token, json!({ "pattern": "lie", "actions": [] })).await.ok();
    let all = server.get("v3/pushrules/", &token).await.ok();
    let content = all["global"]["content"].as_array().unwrap();
    assert_eq!((&content[0]["rule_id"], &content[1]["rule_id"]), (&json!("lie"), &json!("cake")));
    assert_eq!(content[1]["enabled"], false);
    assert_eq!(server.get(&format!("{RULES}/"), &token).await.ok(), all["global"]);
    let synced = server.get("v3/sync", &token).await.ok();
    let events = synced["account_data"]["events"].as_array().unwrap();
    let event = events.iter().find(|event| event["type"] == "m.push_rules").unwrap();
    assert_eq!(event["content"], all);
    server.delete(&rule, &token).await.ok();
    assert_eq!(server.delete(&rule, &token).await.error(), (404, "M_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let server = server().await;
    let token = server.register("alice").await;
    let good = json!({ "pattern": "x", "actions": [], "conditions": [] });
    for (rule, body, expected) in [
        ("content/.m.rule.mine", good.clone(), (400, "M_INVALID_PARAM")),
        ("content/a%2Fb", good.clone(), (400, "M_INVALID_PARAM")),
        ("content/a%5Cb", good.clone(), (400, "M_INVALID_PARAM")),
        ("device/x", good.clone(), (400, "M_INVALID_PARAM")),
        ("content/x", json!({ "actions": [] }), (400, "M_MISSING_PARAM")),
        ("content/x", json!({ "pattern": "x" }), (400, "M_MISSING_PARAM")),
        ("room/x", good.clone(), (400, "M_INVALID_PARAM")),
        ("override/x", json!({ "actions": ["jump"] }), (400, "M_INVALID_PARAM")),
        ("override/x", json!({ "actions": [], "conditions": [{ "kind": "event_match" }] }), (400, "M_INVALID_PARAM")),
        ("override/x?before=.m.rule.suppress_notices", good.clone(), (400, "M_INVALID_PARAM")),
        ("override/x?after=gone", good.clone(), (404, "M_NOT_FOUND")),
        ("override/.m.rule.gone/enabled", json!({ "enabled": true }), (404, "M_NOT_FOUND")),
        ("override/.m.rule.master/enabled", json!({}), (400, "M_MISSING_PARAM")),
        ("override/.m.rule.master/actions", json!({ "actions": 1 }), (400, "M_INVALID_PARAM")),
    ] {
        let answer = server.put(&format!("{RULES}/{rule}"), &token, body).await;
        assert_eq!(answer.error(), expected, "{rule}");
    }
    let default = format!("{RULES}/override/.m.rule.master");
    assert_eq!(server.delete(&default, &token).await.error(), (400, "M_INVALID_PARAM"));
    server.put(&format!("{default}/enabled"), &token, json!({ "enabled": true })).await.ok();
    assert_eq!(server.get(&default, &token).await.ok()["enabled"], true);
    assert_eq!(server.get(&format!("{RULES}/override/gone"), &token).await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.get(&format!("{RULES}/override/gone/actions"), &token).await.error(), (404, "M_NOT_FOUND"));
}
