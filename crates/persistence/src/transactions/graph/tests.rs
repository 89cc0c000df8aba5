use super::*;
use crate::Database;
use crate::transactions::history::{self, Moment, Stretch};

const ROOM: RoomNumber = RoomNumber(1);

/// An event `number` that is in the graph at `topological`, behind `parents`.
fn put(tx: &mut WriteTx<'_>, number: i64, topological: i64, parents: &[i64], outcome: Outcome) {
    let arrival = (number < 900).then_some(Position(number));
    let place =
        Place { event: EventNumber(number), arrival, topological, state_before: None, state_after: None, outcome };
    let parents: Vec<EventNumber> = parents.iter().copied().map(EventNumber).collect();
    insert(tx, ROOM, &place, &parents).unwrap();
}

async fn written(run: impl FnOnce(&mut WriteTx<'_>) + Send + 'static) -> Database {
    let database = Database::open_inline(None).unwrap();
    let work = |tx: &mut WriteTx<'_>| {
        run(tx);
        Ok::<_, StoreError>(())
    };
    database.write(work).await.unwrap();
    database
}

fn numbers(places: &[Place]) -> Vec<i64> {
    places.iter().map(|place| place.event.0).collect()
}

#[tokio::test]
async fn a_parent_without_a_place_is_a_gap_until_it_comes() {
    written(|tx| {
        let gaps = |tx: &WriteTx<'_>, below| {
            let gaps = backward_extremities(tx, ROOM, below, 10).unwrap();
            gaps.into_iter().map(|(event, topological)| (event.0, topological)).collect::<Vec<_>>()
        };
        put(tx, 10, 100, &[1], Outcome::Accepted);
        put(tx, 11, 101, &[10, 2], Outcome::Accepted);
        put(tx, 12, 102, &[11, 1], Outcome::SoftFailed);
        // Newest first; of a gap that several events name, the oldest of them counts.
        assert_eq!(gaps(tx, i64::MAX), [(2, 101), (1, 100)]);
        assert_eq!(gaps(tx, 100), [(1, 100)]);
        assert_eq!(gaps(tx, 99), []);
        assert_eq!(backward_extremities(tx, ROOM, i64::MAX, 1).unwrap(), [(EventNumber(2), 101)]);
        assert_eq!(backward_extremities(tx, RoomNumber(2), i64::MAX, 10).unwrap(), []);
        put(tx, 1, 99, &[0], Outcome::Accepted);
        assert_eq!(gaps(tx, i64::MAX), [(2, 101), (0, 99)]);
        put(tx, 0, 98, &[], Outcome::Accepted);
        put(tx, 2, 98, &[0], Outcome::Rejected);
        assert_eq!(gaps(tx, i64::MAX), []);
    })
    .await;
}

#[tokio::test]
async fn pages_follow_the_topological_order_and_those_who_went_before_their_children() {
    written(|tx| {
        for number in 1..=9 {
            // Several share a place.
            put(tx, number, number / 3, &[], Outcome::Accepted);
        }
        let (start, end) = (TopologicalPoint::START, TopologicalPoint::END);
        let page = |after, up_to, direction, limit| {
            let stretch = Stretch { after, up_to, arrived_after: Moment::START, arrived_up_to: Moment::END };
            history::page(tx, ROOM, &stretch, direction, limit).unwrap()
        };
        let forwards = page(start, end, Direction::Forwards, 4);
        assert_eq!(numbers(&forwards), [1, 2, 3, 4]);
        let on = page(TopologicalPoint::after(&forwards[3]), end, Direction::Forwards, 100);
        assert_eq!(numbers(&on), [5, 6, 7, 8, 9]);
        let backwards = page(start, TopologicalPoint::before(&on[0]), Direction::Backwards, 3);
        assert_eq!(numbers(&backwards), [4, 3, 2]);
        assert_eq!(place(tx, EventNumber(4)).unwrap().unwrap(), forwards[3]);
        assert_eq!(place(tx, EventNumber(99)).unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_arrived_is_shown_newest_first_and_backfill_never() {
    written(|tx| {
        put(tx, 1, 1, &[], Outcome::Accepted);
        put(tx, 2, 2, &[1], Outcome::SoftFailed);
        put(tx, 3, 2, &[1], Outcome::Accepted);
        put(tx, 4, 3, &[3], Outcome::Rejected);
        put(tx, 5, 3, &[3], Outcome::Accepted);
        put(tx, 900, 0, &[], Outcome::Accepted);
        let arrived = |from, to, limit| numbers(&arrivals(tx, ROOM, Position(from), Position(to), limit).unwrap());
        assert_eq!(arrived(0, 5, 10), [5, 3, 1]);
        assert_eq!(arrived(1, 4, 10), [3]);
        assert_eq!(arrived(0, 5, 1), [5]);
        let all = stream(tx, Position(1), 10).unwrap();
        assert_eq!(all.iter().map(|(room, place)| (*room, place.event.0)).collect::<Vec<_>>(), [(ROOM, 3), (ROOM, 5)]);
        assert_eq!(children(tx, EventNumber(1)).unwrap(), [EventNumber(2), EventNumber(3)]);
        assert_eq!(prev_events(tx, EventNumber(5)).unwrap(), [EventNumber(3)]);
    })
    .await;
}

#[tokio::test]
async fn extremities_are_exchanged() {
    written(|tx| {
        let events = |numbers: &[i64]| numbers.iter().copied().map(EventNumber).collect::<Vec<_>>();
        set_extremities(tx, ROOM, &[], &events(&[1, 2])).unwrap();
        set_extremities(tx, RoomNumber(2), &[], &events(&[7])).unwrap();
        set_extremities(tx, ROOM, &events(&[1, 5]), &events(&[3, 2])).unwrap();
        assert_eq!(extremities(tx, ROOM).unwrap(), events(&[2, 3]));
        assert_eq!(extremities(tx, RoomNumber(2)).unwrap(), events(&[7]));
    })
    .await;
}
