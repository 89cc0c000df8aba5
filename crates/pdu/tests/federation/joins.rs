//! Joins, as joiner and as resident.

use std::time::Duration;

use events::limits::INTEGER_MAX;
use events::{Pdu, RoomId, RoomVersion, Value};
use http::Method;
use pdu::JoinError;
use persistence::transactions::graph::Outcome;
use persistence::transactions::rooms as room_rows;
use serde_json::json;
use transport::CallError;

use crate::peer::{Peer, PeerRoom, object, objects};
use crate::receiving::until_outcome;
use crate::world::{Server, World, draft, message, name, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:a.test";
const EVE: &str = "@eve:evil.test";

pub(crate) async fn is_in(server: &Server, room: &RoomId) -> bool {
    let (room, us) = (room.clone(), server.name.clone());
    let found = server.database.read(move |tx| match room_rows::by_id(tx, &room)? {
        Some(row) => room_rows::is_server_joined(tx, row.number, &us),
        None => Ok::<_, persistence::StoreError>(false),
    });
    found.await.unwrap()
}

/// A room of a peer, that answers `send_join` as `answer` makes of the honest answer.
async fn hostile_resident(
    world: &World,
    answer: impl Fn(&PeerRoom, &mut Value) + Send + Sync + 'static,
) -> (Server, std::sync::Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, V);
    evil.host(&room);
    let of_peer = room.clone();
    evil.answers("/v2/send_join/", move |request| {
        let event: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let state = of_peer.state();
        let chain = of_peer.auth_chain(state.values().cloned().collect());
        let mut said = json!({ "event": event, "state": objects(state.values()), "auth_chain": objects(chain.iter()) });
        answer(&of_peer, &mut said);
        (200, said)
    });
    (a, evil, room)
}

/// Where nobody here may let them in, users come in through others, and may be let in here meanwhile.
#[tokio::test(start_paused = true)]
async fn who_has_come_in_while_a_server_did_not_answer_does_not_come_in_again() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, V);
    evil.host(&room);
    a.join(&room.id, BOB, &[&evil.name]).await.unwrap();
    evil.is_slow("/v1/make_join/", Duration::from_secs(5));
    let (asked, via) = (evil.asked("/v1/make_join/"), [&evil.name]);
    let comes_in_here = async {
        world.until("the question", || async { evil.asked("/v1/make_join/") > asked }).await;
        a.send(&room.id, draft(ALICE, "m.room.member", Some(ALICE), json!({ "membership": "join" }))).await.unwrap()
    };
    let (joined, join) = tokio::join!(a.join(&room.id, ALICE, &via), comes_in_here);
    assert_eq!(joined.unwrap().event_id, join);
    assert_eq!(evil.asked("/v2/send_join/"), 1, "that of bob");
}

#[tokio::test(start_paused = true)]
async fn a_hostile_template_is_not_signed() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, V);
    evil.host(&room);
    let template = room.template(&draft(ALICE, "m.room.member", Some(ALICE), json!({ "membership": "join" })));
    for (pointer, hostile) in [
        ("/event/type", json!("m.room.power_levels")),
        ("/event/sender", json!("@admin:a.test")),
        ("/event/state_key", json!("@admin:a.test")),
        ("/event/room_id", json!("!other:a.test")),
        ("/event/content/membership", json!("leave")),
        ("/room_version", json!("99")),
        ("/event/prev_events", json!("none")),
    ] {
        let mut answer = template.clone();
        *answer.pointer_mut(pointer).unwrap() = hostile;
        evil.answers("make_join", move |_| (200, answer.clone()));
        assert!(a.join(&room.id, ALICE, &[&evil.name]).await.is_err(), "{pointer}");
    }
    assert_eq!(evil.asked("send_join"), 0, "nothing was signed");
    // What it adds to the content is not taken over.
    let mut answer = template.clone();
    answer["event"]["content"]["displayname"] = json!("Mallory");
    answer["event"]["content"]["join_authorised_via_users_server"] = json!("@carol:c.test");
    answer["event"]["redacts"] = json!("$something");
    evil.answers("make_join", move |_| (200, answer.clone()));
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    let join = a.current(&room.id, "m.room.member", ALICE).await.unwrap();
    let join = a.visible(&room.id, &join).await.unwrap();
    assert_eq!(join.content(), json!({ "membership": "join" }).as_object().unwrap());
    assert!(join.object().get("redacts").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_join_that_comes_back_must_be_ours() {
    let world = World::new();
    for change in [
        |event: &mut Value| event["content"]["membership"] = json!("leave"),
        |event: &mut Value| event["content"]["displayname"] = json!("Mallory"),
        |event: &mut Value| event["depth"] = json!(1),
        |event: &mut Value| event["signatures"] = json!({}),
    ] {
        let (a, evil, room) = hostile_resident(&world, move |_, said| change(&mut said["event"])).await;
        assert!(matches!(a.join(&room.id, ALICE, &[&evil.name]).await, Err(JoinError::Failed { .. })));
        assert!(!is_in(&a, &room.id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_resident_gives_is_judged() {
    let world = World::new();
    // A power level event that nobody was allowed to send, and one that nobody signed.
    let (a, evil, room) = hostile_resident(&world, |_, _| {}).await;
    let mut seized = room.clone();
    let mallory = "@mallory:evil.test";
    evil.add(&mut seized, draft(mallory, "m.room.member", Some(mallory), json!({ "membership": "join" })));
    let levels = evil.add(&mut seized, state(mallory, "m.room.power_levels", json!({ "users": { mallory: 100 } })));
    let mut forged = object(&evil.next(&room, state(EVE, "m.room.topic", json!({ "topic": "x" }))));
    forged["sender"] = json!(ALICE);
    let (all, chain) = (seized.state(), seized.auth_chain(seized.state().into_values().collect()));
    let mut state: Vec<Value> = objects(all.values());
    state.push(forged);
    evil.answers("/v2/send_join/", move |request| {
        let event: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        (200, json!({ "event": event, "state": state, "auth_chain": objects(chain.iter()) }))
    });
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    assert_ne!(a.current(&room.id, "m.room.power_levels", "").await.as_ref(), Some(levels.event_id()));
    assert_eq!(a.current(&room.id, "m.room.topic", "").await, None);
    assert!(is_in(&a, &room.id).await);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_none_is_refused() {
    let world = World::new();
    let cases: [fn(&PeerRoom, &mut Value); 5] = [
        |_, said| said["members_omitted"] = json!(true),
        |_, said| said["state"] = json!([]),
        // Without the create event.
        |room, said| {
            let events = objects(room.state().values().filter(|pdu| pdu.event_type() != "m.room.create"));
            said["state"] = json!(events);
        },
        // Members only: nobody could ever have joined.
        |room, said| said["state"] = json!(objects(room.line[..1].iter().chain([&room.line[1], &room.line[1]]))),
        // With a create event of another room.
        |room, said| {
            let mut create = object(&room.line[0]);
            create["room_id"] = json!("!other:evil.test");
            said["state"][0] = create.clone();
            said["auth_chain"] = json!([create]);
            let events: Vec<Value> = said["state"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|event| event["type"] != "m.room.create" || event["room_id"] == "!other:evil.test")
                .cloned()
                .collect();
            said["state"] = json!(events);
        },
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let (a, evil, room) = hostile_resident(&world, case).await;
        assert!(a.join(&room.id, ALICE, &[&evil.name]).await.is_err(), "case {number}");
        assert!(!is_in(&a, &room.id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn several_servers_are_tried_in_turn() {
    let world = World::new();
    let (a, b, evil) = (world.server("a.test").await, world.server("b.test").await, world.peer("evil.test").await);
    let room = b.create_room("@bob:b.test", V).await;
    evil.answers("make_join", |_| (400, json!({ "errcode": "M_UNABLE_TO_GRANT_JOIN", "error": "ask another" })));
    let gone = name("gone.test");
    a.join(&room, ALICE, &[&gone, &evil.name, &a.name, &b.name]).await.unwrap();
    assert_eq!(evil.asked("make_join"), 1);
    assert!(is_in(&a, &room).await);
    // A refusal says more than a time-out, whichever comes last.
    let refused = a.join(&RoomId::parse("!no:b.test").unwrap(), ALICE, &[&evil.name, &gone]).await;
    assert!(matches!(refused, Err(JoinError::Refused { status: 400, .. })), "{refused:?}");
}

fn refusal(answer: Result<Value, CallError>) -> (u16, String, Value) {
    match answer {
        Err(CallError::Refused { status, errcode, body, .. }) => (status, errcode, body),
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_is_refused_for_the_reasons_that_the_specification_names() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let open = a.create_room(ALICE, V).await;
    let (status, errcode, body) = refusal(evil.get(&a, &format!("v1/make_join/{open}/{EVE}?ver=1&ver=10")).await);
    assert_eq!((status, errcode.as_str(), &body["room_version"]), (400, "M_INCOMPATIBLE_ROOM_VERSION", &json!("11")));
    assert_eq!(refusal(evil.get(&a, &format!("v1/make_join/!no:a.test/{EVE}?ver=11")).await).0, 404);
    assert_eq!(refusal(evil.get(&a, &format!("v1/make_join/{open}/@bob:b.test?ver=11")).await).0, 403);
    assert_eq!(
        refusal(evil.get(&a, &format!("v1/make_leave/{open}/{EVE}")).await).0,
        403,
        "who is not in cannot leave"
    );
    assert_eq!(refusal(evil.get(&a, &format!("v1/make_knock/{open}/{EVE}?ver=11")).await).0, 403);
    let closed = a.create_room_with(ALICE, V, json!({ "m.federate": false })).await;
    assert_eq!(refusal(evil.get(&a, &format!("v1/make_join/{closed}/{EVE}?ver=11")).await).0, 403);
    a.send(&open, state(ALICE, "m.room.join_rules", json!({ "join_rule": "invite" }))).await.unwrap();
    assert_eq!(refusal(evil.get(&a, &format!("v1/make_join/{open}/{EVE}?ver=11")).await).0, 403);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_the_one_of_the_path_enters_no_room() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room(ALICE, V).await;
    let other = a.create_room(ALICE, V).await;
    let template = evil.get(&a, &format!("v1/make_join/{room}/{EVE}?ver=11")).await.unwrap();
    let event = &template["event"];
    let references = |key: &str| serde_json::from_value(event[key].clone()).unwrap();
    let sign = |draft: pdu::Draft| -> Pdu {
        evil.sign(
            &room,
            V,
            &draft,
            references("prev_events"),
            references("auth_events"),
            event["depth"].as_i64().unwrap(),
        )
    };
    let join = sign(draft(EVE, "m.room.member", Some(EVE), json!({ "membership": "join" })));
    let no_member = sign(message(EVE, "let me in"));
    let leave = sign(draft(EVE, "m.room.member", Some(EVE), json!({ "membership": "leave" })));
    let of_other = sign(draft(EVE, "m.room.member", Some("@mallory:evil.test"), json!({ "membership": "join" })));
    let foreign = sign(draft("@bob:b.test", "m.room.member", Some("@bob:b.test"), json!({ "membership": "join" })));
    let mut mangled = object(&join);
    mangled["content"]["displayname"] = json!("not what was hashed");
    let put = |endpoint: &str, room: &RoomId, id: &Pdu, body: Value| {
        let path = format!("{endpoint}/{room}/{}", id.event_id());
        let (a, evil) = (&a, &evil);
        async move { refusal(evil.ask(a, Method::PUT, &path, Some(body)).await) }
    };
    for (endpoint, room, id, body) in [
        ("v2/send_join", &other, &join, object(&join)),
        ("v2/send_join", &room, &leave, object(&join)),
        ("v2/send_join", &room, &leave, object(&leave)),
        ("v2/send_join", &room, &no_member, object(&no_member)),
        ("v2/send_join", &room, &of_other, object(&of_other)),
        ("v2/send_join", &room, &foreign, object(&foreign)),
        ("v2/send_join", &room, &join, mangled),
        ("v2/send_leave", &room, &join, object(&join)),
        ("v1/send_knock", &room, &join, object(&join)),
    ] {
        let (status, errcode, body) = put(endpoint, room, id, body).await;
        assert_eq!((status, errcode.as_str()), (400, "M_INVALID_PARAM"), "{endpoint} {body}");
    }
    for pdu in [&join, &no_member, &leave, &of_other, &foreign] {
        assert_eq!(a.outcome(&room, pdu.event_id()).await, None);
    }
    // The join itself is let in, and again if its server did not get the answer.
    for _ in 0..2 {
        let path = format!("v2/send_join/{room}/{}", join.event_id());
        let answer = evil.ask(&a, Method::PUT, &path, Some(object(&join))).await.unwrap();
        assert_eq!(answer["state"].as_array().unwrap().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn restricted_rooms_say_why_they_cannot_let_somebody_in() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let (room, club) = (a.create_room(ALICE, V).await, a.create_room(ALICE, V).await);
    let rule = |club: &str| {
        state(
            ALICE,
            "m.room.join_rules",
            json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": club }] }),
        )
    };
    let make = || async { evil.get(&a, &format!("v1/make_join/{room}/{EVE}?ver=11")).await };
    a.send(&room, rule("!elsewhere:c.test")).await.unwrap();
    let (status, errcode, _) = refusal(make().await);
    assert_eq!((status, errcode.as_str()), (400, "M_UNABLE_TO_AUTHORISE_JOIN"));
    a.send(&room, rule(club.as_str())).await.unwrap();
    assert_eq!(refusal(make().await).0, 403);
    evil.join(&a, &club, V, EVE).await;
    assert_eq!(make().await.unwrap()["event"]["content"]["join_authorised_via_users_server"], ALICE);
    // The join carries the signature of the server that authorised it.
    let template = make().await.unwrap()["event"].clone();
    let references = |key: &str| serde_json::from_value(template[key].clone()).unwrap();
    let content = json!({ "membership": "join", "join_authorised_via_users_server": ALICE });
    let join = draft(EVE, "m.room.member", Some(EVE), content);
    let join = evil.sign(
        &room,
        V,
        &join,
        references("prev_events"),
        references("auth_events"),
        template["depth"].as_i64().unwrap(),
    );
    let path = format!("v2/send_join/{room}/{}", join.event_id());
    let answer = evil.ask(&a, Method::PUT, &path, Some(object(&join))).await.unwrap();
    assert!(answer["event"]["signatures"]["a.test"].is_object(), "{}", answer["event"]);
    // Nobody here may invite.
    let levels = json!({ "users": { ALICE: 50 }, "invite": 100 });
    a.send(&room, state(ALICE, "m.room.power_levels", levels)).await.unwrap();
    let mallory = evil.get(&a, &format!("v1/make_join/{room}/@mallory:evil.test?ver=11")).await;
    assert_eq!(refusal(mallory).0, 403);
    let mut club_of_evil = evil.join(&a, &club, V, "@mallory:evil.test").await;
    evil.add(&mut club_of_evil, message("@mallory:evil.test", "hello"));
    let mallory = evil.get(&a, &format!("v1/make_join/{room}/@mallory:evil.test?ver=11")).await;
    assert_eq!(refusal(mallory).1, "M_UNABLE_TO_GRANT_JOIN");
}

#[tokio::test(start_paused = true)]
async fn a_resident_cannot_replace_a_room_that_we_are_in() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room(ALICE, V).await;
    let mut of_peer = evil.join(&a, &room, V, EVE).await;
    let topic = a.send(&room, state(ALICE, "m.room.topic", json!({ "topic": "ours" }))).await.unwrap();
    let said = a.say(&room, ALICE, "said meanwhile").await;
    // Eve's view ends before that. Another of our users joins through her, as for a restricted join.
    evil.add(&mut of_peer, message(EVE, "another line"));
    evil.host(&of_peer);
    a.join(&room, "@alan:a.test", &[&evil.name]).await.unwrap();
    assert_eq!(a.current(&room, "m.room.topic", "").await, Some(topic));
    assert!(a.current(&room, "m.room.member", "@alan:a.test").await.is_some());
    let last = a.say(&room, ALICE, "last").await;
    let last = a.visible(&room, &last).await.unwrap();
    assert_eq!(last.prev_events().len(), 2, "both lines are built on");
    assert!(last.prev_events().contains(&said));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_everybody_here_left_is_joined_again_from_outside() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    let room = b.create_room("@bob:b.test", V).await;
    a.join(&room, ALICE, &[&b.name]).await.unwrap();
    let first = a.say(&room, ALICE, "first").await;
    a.send(&room, draft(ALICE, "m.room.member", Some(ALICE), json!({ "membership": "leave" }))).await.unwrap();
    let is_out =
        || async { !b.read(&room, |tx, room, _| room_rows::is_server_joined(tx, room, &name("a.test"))).await };
    world.until("b.test to hear of it", is_out).await;
    let meanwhile = b.say(&room, "@bob:b.test", "meanwhile").await;
    let topic = b.send(&room, state("@bob:b.test", "m.room.topic", json!({ "topic": "new" }))).await.unwrap();
    a.join(&room, ALICE, &[&b.name]).await.unwrap();
    assert_eq!(a.current(&room, "m.room.topic", "").await, Some(topic.clone()));
    let back = a.say(&room, ALICE, "back").await;
    world.until("b.test to have it", || async { b.outcome(&room, &back).await == Some(Outcome::Accepted) }).await;
    // What was said meanwhile goes between the two stays.
    assert_eq!(a.place(&room, &meanwhile).await, None);
    assert!(a.graph.backfill(&room, i64::MAX).await.unwrap() > 0);
    let at = |event| {
        let (a, room) = (&a, &room);
        async move { a.place(room, event).await.unwrap().topological }
    };
    let order = [at(&first).await, at(&meanwhile).await, at(&topic).await, at(&back).await];
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_version_in_an_invite_spoils_no_join() {
    let world = World::new();
    let (a, b, evil) = (world.server("a.test").await, world.server("b.test").await, world.peer("evil.test").await);
    let room = b.create_room("@bob:b.test", RoomVersion::V6).await;
    let draft = draft(EVE, "m.room.member", Some(ALICE), json!({ "membership": "invite" }));
    let invite = evil.sign(&room, V, &draft, vec![], vec![], 9);
    let path = format!("v2/invite/{room}/{}", invite.event_id());
    let body = json!({ "room_version": "11", "event": object(&invite), "invite_room_state": [] });
    evil.ask(&a, Method::PUT, &path, Some(body.clone())).await.unwrap();
    a.join(&room, ALICE, &[&b.name]).await.unwrap();
    a.say(&room, ALICE, "hello").await;
    // Nor may an invite say anything about a room that we are in.
    let (status, _, _) = refusal(evil.ask(&a, Method::PUT, &path, Some(body)).await);
    assert_eq!(status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_came_through_us_reaches_the_others() {
    let world = World::new();
    let (a, b, evil) = (world.server("a.test").await, world.server("b.test").await, world.peer("evil.test").await);
    let room = a.create_room(ALICE, V).await;
    b.join(&room, "@bob:b.test", &[&a.name]).await.unwrap();
    let of_peer = evil.join(&a, &room, V, EVE).await;
    until_outcome(&world, &b, &room, &of_peer.line[0], Outcome::Accepted).await;
    let said = a.say(&room, ALICE, "hello").await;
    let got_it = || async { evil.received().iter().any(|event| event["content"]["body"] == "hello") };
    world.until("the peer to get a message", got_it).await;
    assert_eq!(b.outcome(&room, &said).await, Some(Outcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn a_large_room_is_joined_and_its_history_read() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    let members: Vec<String> = (0..600).map(|n| format!("@user{n}:evil.test")).collect();
    for member in &members {
        evil.add(&mut room, draft(member, "m.room.member", Some(member), json!({ "membership": "join" })));
    }
    evil.host(&room);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    let joined = a.read(&room.id, |tx, room, _| room_rows::count_members(tx, room, "join")).await;
    assert_eq!(joined, 602);
    a.say(&room.id, ALICE, "hello").await;
}

#[tokio::test(start_paused = true)]
async fn the_largest_depth_keeps_nobody_out() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    let evil = world.peer("evil.test").await;
    let id = a.create_room(ALICE, V).await;
    let room = evil.join(&a, &id, V, EVE).await;
    let words = message(EVE, "the deepest");
    let parent = room.line.last().unwrap().event_id().clone();
    let deepest = evil.sign(&id, V, &words, vec![parent], room.auth_events(&words), INTEGER_MAX);
    evil.send(&a, &[object(&deepest)]).await;
    until_outcome(&world, &a, &id, &deepest, Outcome::Accepted).await;
    let path = format!("v1/make_join/{id}/@mallory:evil.test?ver=11");
    let template = evil.ask(&a, Method::GET, &path, None).await.unwrap();
    assert_eq!(template["event"]["depth"], INTEGER_MAX);
    b.join(&id, "@bob:b.test", &[&a.name]).await.unwrap();
    assert!(is_in(&b, &id).await);
    b.say(&id, "@bob:b.test", "hello").await;
}
