//! Notices panics, also those in tasks, which a runtime would swallow.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::Target;

/// What an input brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Where, and what was said.
    pub panic: String,
}

thread_local! {
    /// What panicked on this thread while an input was fed; `None` if none is.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Feeds an input to a target. Everything that it starts runs on this thread.
///
/// # Errors
///
/// The first panic, if there was one.
pub fn feed(target: &Target, input: &[u8]) -> Result<(), Defect> {
    watch();
    PANICS.set(Some(Vec::new()));
    // What the target had is not looked at any more.
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let panics = PANICS.take().unwrap_or_default();
    match (panics.into_iter().next(), ended) {
        (Some(panic), _) => Err(Defect { panic }),
        (None, Err(_)) => Err(Defect { panic: "it panicked, and did not say where".to_owned() }),
        (None, Ok(())) => Ok(()),
    }
}

/// Notes the panics of what is fed instead of printing them.
fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let is_noted =
                PANICS.with_borrow_mut(|panics| panics.as_mut().map(|panics| panics.push(info.to_string())).is_some());
            if !is_noted {
                before(info);
            }
        }));
    });
}
