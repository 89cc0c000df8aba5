//! How much work one resolution may be.

use crate::limits::{RESOLUTION_CHECK_COST_MAX, RESOLUTION_VISITS_MAX};

/// Resolving would be more work than a peer may cause. The room is to be treated as if the state were not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooCostly {
    /// Too many steps in the graph.
    #[error("resolving the forks takes more than {RESOLUTION_VISITS_MAX} steps from event to event")]
    Visits,
    /// Too many authorisation checks, those of long power levels counting more.
    #[error("resolving the forks takes more than {RESOLUTION_CHECK_COST_MAX} authorisation checks")]
    Checks,
}

/// What is left of the work that one resolution may be.
#[derive(Debug)]
pub(super) struct Budget {
    visits: usize,
    check_cost: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { visits: RESOLUTION_VISITS_MAX, check_cost: RESOLUTION_CHECK_COST_MAX }
    }
}

impl Budget {
    pub(super) fn visit(&mut self, events: usize) -> Result<(), TooCostly> {
        self.visits = self.visits.checked_sub(events).ok_or(TooCostly::Visits)?;
        Ok(())
    }

    pub(super) fn check(&mut self, cost: usize) -> Result<(), TooCostly> {
        self.check_cost = self.check_cost.checked_sub(cost).ok_or(TooCostly::Checks)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_where_the_budget_does() {
        let mut budget = Budget::default();
        assert_eq!(budget.visit(RESOLUTION_VISITS_MAX), Ok(()));
        assert_eq!(budget.visit(1), Err(TooCostly::Visits));
        assert_eq!(budget.check(RESOLUTION_CHECK_COST_MAX + 1), Err(TooCostly::Checks));
    }
}
