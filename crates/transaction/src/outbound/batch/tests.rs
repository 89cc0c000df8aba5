use super::super::limits::TRANSACTION_ITEMS_MAX;
use super::*;

/// Each list is (number, bytes of each).
fn check(
    pdus: (usize, usize),
    edus: (usize, usize),
    ephemeral: (usize, usize),
    items_max: usize,
    expected: (usize, usize, usize),
) {
    let list = |(number, bytes)| vec![bytes; number];
    let (pdus, edus, ephemeral) = (list(pdus), list(edus), list(ephemeral));
    let batch = choose(Waiting { pdus: &pdus, edus: &edus, ephemeral: &ephemeral }, items_max);
    assert_eq!((batch.pdus, batch.edus, batch.ephemeral), expected);
}

const FULL: usize = TRANSACTION_ITEMS_MAX;
const NONE: (usize, usize) = (0, 0);
const PDU_MAX: usize = 65_536;

#[test]
fn counts_are_those_of_the_specification() {
    check((60, 100), (120, 100), (30, 100), FULL, (50, 100, 0));
    check((10, 100), (90, 100), (30, 100), FULL, (10, 90, 10));
    check(NONE, NONE, NONE, FULL, (0, 0, 0));
}

#[test]
fn bytes_are_shared_so_that_neither_kind_holds_up_the_other() {
    check((50, PDU_MAX), NONE, NONE, FULL, (12, 0, 0));
    check((50, PDU_MAX), (100, 60_000), NONE, FULL, (6, 6, 0));
    check((50, 100), (100, PDU_MAX), NONE, FULL, (50, 11, 0));
}

#[test]
fn the_first_goes_however_large() {
    check((3, 10_000_000), NONE, NONE, FULL, (1, 0, 0));
    check(NONE, (3, 10_000_000), NONE, FULL, (0, 1, 0));
    check((3, 10_000_000), (3, 10_000_000), NONE, FULL, (1, 1, 0));
}

#[test]
fn few_items_when_one_of_them_is_at_fault() {
    check((50, 100), (100, 100), (5, 100), 75, (50, 25, 0));
    check((50, 100), (100, 100), (5, 100), 1, (1, 0, 0));
    check(NONE, (100, 100), (5, 100), 1, (0, 1, 0));
}
