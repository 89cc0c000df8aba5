use super::super::limits::TRANSACTION_PDUS_MAX;
use super::*;

const NO_JITTER: f64 = 1.0;
const ITEM_REFUSED: Refused = Refused::Items(1);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_rows() -> DestinationQueue {
    let mut queue = DestinationQueue::new();
    queue.handle_rows();
    queue
}

fn batch(items_max: usize) -> Step {
    Step::Send(Order::Batch { items_max, when_empty: WhenEmpty::Skip, rows: Rows::Ask })
}

const FULL: usize = TRANSACTION_ITEMS_MAX;

#[test]
fn one_in_flight_and_nothing_when_nothing_waits() {
    let mut queue = DestinationQueue::new();
    assert_eq!(queue.poll(at(0)), Step::Idle);
    queue.handle_rows();
    assert_eq!(queue.poll(at(0)), batch(FULL));
    queue.handle_rows();
    assert_eq!(queue.poll(at(1)), Step::RestUntil(Duration::MAX));
    queue.handle_delivered(Rows::None);
    assert_eq!(queue.poll(at(2)), batch(FULL), "what came while it was in flight was not forgotten");
    queue.handle_delivered(Rows::None);
    assert_eq!(queue.poll(at(3)), Step::Idle);
}

#[test]
fn rests_double_up_to_an_hour_and_end_with_a_success() {
    let mut queue = with_rows();
    let mut now = at(0);
    let mut rests = Vec::new();
    for _ in 0..40 {
        assert_eq!(queue.poll(now), batch(FULL));
        queue.handle_failed(now, NO_JITTER);
        let Step::RestUntil(until) = queue.poll(now) else { panic!("it does not rest") };
        rests.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(rests[..5], [1, 2, 4, 8, 16]);
    assert_eq!((rests[11], rests[12], rests[39]), (2048, 3600, 3600));
    assert_eq!(queue.poll(now), batch(FULL));
    queue.handle_delivered(Rows::Ask);
    assert_eq!(queue.poll(now), batch(FULL));
    queue.handle_failed(now, 0.0);
    assert_eq!(queue.poll(now), Step::RestUntil(now + Duration::from_millis(600)), "jitter shortens a rest");
}

#[test]
fn a_rest_ends_early_when_heard_from_but_not_at_every_request() {
    let mut queue = with_rows();
    for failures in 0..20 {
        let now = at(failures * 4000);
        assert_eq!(queue.poll(now), batch(FULL));
        queue.handle_failed(now, NO_JITTER);
    }
    let mut now = at(19 * 4000);
    let mut rests = Vec::new();
    for _ in 0..10 {
        // It sends us something all the time, and is never reached.
        let failed = now;
        while !matches!(queue.poll(now), Step::Send(_)) {
            now += Duration::from_millis(100);
            queue.handle_heard_from(now);
        }
        rests.push((now - failed).as_secs());
        queue.handle_failed(now, NO_JITTER);
    }
    assert_eq!(rests[0], 1);
    assert!(rests.is_sorted() && rests[9] <= REST_WHEN_HEARD_MAX.as_secs(), "{rests:?}");
    assert!(rests[9] >= 30, "the rests grow: {rests:?}");
}

#[test]
fn hearing_from_a_destination_never_lengthens_a_rest() {
    let mut queue = with_rows();
    queue.poll(at(0));
    queue.handle_failed(at(0), NO_JITTER);
    queue.handle_heard_from(Duration::from_millis(1500));
    assert_eq!(queue.poll(Duration::from_millis(1500)), batch(FULL));
}

#[test]
fn an_asked_rest_is_granted() {
    let mut queue = with_rows();
    queue.poll(at(0));
    queue.handle_asked_to_rest(at(0), at(30));
    assert_eq!(queue.poll(at(29)), Step::RestUntil(at(30)));
    assert_eq!(queue.poll(at(30)), batch(FULL));
    queue.handle_asked_to_rest(at(30), at(1_000_000));
    assert_eq!(queue.poll(at(31)), Step::RestUntil(at(30) + REST_MAX), "but not for ever");
}

#[test]
fn refused_content_is_halved_until_one_item_is_left_and_that_is_tried() {
    let mut queue = with_rows();
    let mut now = at(0);
    let mut sizes = Vec::new();
    // Always the full number of items waits, of which the first is refused.
    while let Step::Send(Order::Batch { items_max, .. }) = next(&mut queue, &mut now) {
        sizes.push(items_max);
        queue.handle_refused(now, NO_JITTER, Refused::Items(items_max));
    }
    let each = |size| [size; REFUSALS_MAX as usize];
    assert_eq!(sizes, [150, 75, 37, 18, 9, 4, 2, 1].map(each).concat());
    assert!(now < at(200), "the destination is well, no need for long rests");

    // Here the loop has taken Step::Send(Order::Empty).
    hear(&mut queue, &mut now, |queue, now| queue.handle_refused(now, NO_JITTER, ITEM_REFUSED));
    queue.handle_given_up();
    for size in [1, 2, 4, 8, 16, 32, 64, 128, 150, 150] {
        assert_eq!(next(&mut queue, &mut now), batch(size));
        queue.handle_delivered(Rows::Ask);
    }
}

/// An empty transaction is on its way, and the item is refused whenever one was taken: until it is given up.
fn hear(queue: &mut DestinationQueue, now: &mut Duration, refuse: impl Fn(&mut DestinationQueue, Duration)) {
    for hearing in 1..=HEARINGS {
        queue.handle_delivered(Rows::None);
        assert_eq!(next(queue, now), batch(1));
        refuse(queue, *now);
        let then = if hearing == HEARINGS { Order::GiveUpItem } else { Order::Empty };
        assert_eq!(next(queue, now), Step::Send(then));
    }
}

/// It was broken for a while, and broke over everything.
#[test]
fn an_item_that_is_taken_when_the_destination_is_well_is_not_given_up() {
    for hearing in 1..=HEARINGS {
        let mut queue = with_rows();
        let mut now = at(0);
        while let Step::Send(Order::Batch { .. }) = next(&mut queue, &mut now) {
            queue.handle_server_error(now, NO_JITTER, ITEM_REFUSED);
        }
        for _ in 1..hearing {
            queue.handle_delivered(Rows::None);
            assert_eq!(next(&mut queue, &mut now), batch(1));
            queue.handle_server_error(now, NO_JITTER, ITEM_REFUSED);
            assert_eq!(next(&mut queue, &mut now), Step::Send(Order::Empty));
        }
        queue.handle_delivered(Rows::None);
        assert_eq!(next(&mut queue, &mut now), batch(1));
        queue.handle_delivered(Rows::Ask);
        assert_eq!(next(&mut queue, &mut now), batch(2), "{hearing}");
    }
}

#[test]
fn who_refuses_even_an_empty_transaction_makes_us_give_up_nothing() {
    let mut queue = with_rows();
    let mut now = at(0);
    for _ in 0..1000 {
        match next(&mut queue, &mut now) {
            Step::Send(Order::Batch { items_max, .. }) => {
                queue.handle_refused(now, NO_JITTER, Refused::Items(items_max));
            }
            Step::Send(Order::Empty) => queue.handle_refused(now, NO_JITTER, Refused::NothingKept),
            step @ (Step::Send(Order::GiveUpItem) | Step::RestUntil(_) | Step::Idle) => panic!("{step:?}"),
        }
    }
    assert!(now > at(100_000), "it is asked less and less often: {now:?}");
}

#[test]
fn an_item_that_a_server_breaks_over_is_found_within_minutes() {
    let mut queue = with_rows();
    let mut now = at(0);
    let mut refused = 0;
    while let Step::Send(Order::Batch { .. }) = next(&mut queue, &mut now) {
        refused += 1;
        queue.handle_server_error(now, NO_JITTER, ITEM_REFUSED);
    }
    assert_eq!((refused, now), (SERVER_ERRORS_MAX, at(1 + 2 + 4 + 8)));
    hear(&mut queue, &mut now, |queue, now| queue.handle_server_error(now, NO_JITTER, ITEM_REFUSED));
    assert!(now < at(120), "{now:?}");

    // But who breaks over nothing at all is broken: it is asked less and less often, and nothing is given up.
    let mut queue = with_rows();
    let mut asked = 0;
    while now < at(12 * 3600) {
        asked += 1;
        match next(&mut queue, &mut now) {
            Step::Send(Order::Batch { items_max, .. }) => {
                queue.handle_server_error(now, NO_JITTER, Refused::Items(items_max));
            }
            Step::Send(Order::Empty) => queue.handle_server_error(now, NO_JITTER, Refused::NothingKept),
            step @ (Step::Send(Order::GiveUpItem) | Step::RestUntil(_) | Step::Idle) => panic!("{step:?}"),
        }
    }
    assert!(asked < 150, "{asked}");
}

#[test]
fn a_failure_during_the_trial_decides_nothing() {
    let mut queue = with_rows();
    let mut now = at(0);
    while let Step::Send(Order::Batch { .. }) = next(&mut queue, &mut now) {
        queue.handle_refused(now, NO_JITTER, ITEM_REFUSED);
    }
    queue.handle_failed(now, NO_JITTER);
    assert_eq!(next(&mut queue, &mut now), batch(1));
}

#[test]
fn an_announcement_is_an_empty_transaction_and_is_not_repeated_for_ever() {
    let mut queue = DestinationQueue::new();
    queue.handle_announcement();
    let announce = Order::Batch { items_max: FULL, when_empty: WhenEmpty::Send, rows: Rows::None };
    assert_eq!(queue.poll(at(0)), Step::Send(announce));
    queue.handle_delivered(Rows::None);
    assert_eq!(queue.poll(at(0)), Step::Idle);

    queue.handle_announcement();
    let mut now = at(0);
    let mut attempts = 0;
    while let Step::Send(Order::Batch { when_empty: WhenEmpty::Send, .. }) = next(&mut queue, &mut now) {
        queue.handle_failed(now, NO_JITTER);
        attempts += 1;
    }
    assert_eq!(attempts, ANNOUNCE_FAILURES_MAX);
    queue.handle_nothing();
    assert_eq!(queue.poll(now), Step::Idle);
}

#[test]
fn typing_alone_asks_no_database() {
    let mut queue = DestinationQueue::new();
    queue.handle_ephemeral();
    let order = Order::Batch { items_max: FULL, when_empty: WhenEmpty::Skip, rows: Rows::None };
    assert_eq!(queue.poll(at(0)), Step::Send(order));
}

/// Lets time pass until there is something to do.
fn next(queue: &mut DestinationQueue, now: &mut Duration) -> Step {
    loop {
        match queue.poll(*now) {
            Step::RestUntil(until) => *now = until,
            step @ (Step::Send(_) | Step::Idle) => return step,
        }
    }
}

#[test]
fn a_full_transaction_holds_what_the_specification_allows() {
    assert_eq!((TRANSACTION_PDUS_MAX, TRANSACTION_ITEMS_MAX), (50, 150));
}
