use super::MEMBERS_OF_SERVER;

/// In the order of their names, so that the engine is tempted to walk all members of the room in that order.
#[test]
fn the_users_of_a_server_are_found_without_reading_the_other_members() {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    connection.execute_batch(crate::tables::ALL.concat().as_str()).expect("the schema is valid");
    let explain = format!("EXPLAIN QUERY PLAN {MEMBERS_OF_SERVER}");
    let mut statement = connection.prepare(&explain).expect("the statement is valid");
    let plan = statement.query_map((1, "join", "a.test"), |row| row.get::<_, String>(3)).expect("a plan");
    let plan: Vec<String> = plan.map(|step| step.expect("a step")).collect();
    let [step] = plan.as_slice() else { panic!("{plan:?}") };
    assert!(step.contains("COVERING INDEX members_by_server (room=? AND membership=? AND server=?)"), "{step}");
}
