//! The switch of a thread.

use std::cell::Cell;

use crate::Defect;

thread_local! {
    static ON: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// While it lives, the defect is on for the thread.
#[derive(Debug)]
pub struct On(());

/// Switches a defect on, instead of one that was, for the caller's thread.
#[must_use = "it is off when the returned value is dropped"]
pub fn switch_on(defect: Defect) -> On {
    ON.set(Some(defect));
    On(())
}

/// Whether the code is to be wrong in this way, on the caller's thread.
pub fn is_on(defect: Defect) -> bool {
    ON.get() == Some(defect)
}

impl Drop for On {
    fn drop(&mut self) {
        ON.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_on_for_its_thread_until_its_switch_is_dropped() {
        let on = switch_on(Defect::NoVerdict);
        assert!(is_on(Defect::NoVerdict));
        assert!(!is_on(Defect::TwoInFlight));
        assert!(std::thread::spawn(|| !is_on(Defect::NoVerdict)).join().unwrap());
        drop(on);
        assert!(!is_on(Defect::NoVerdict));
    }
}
