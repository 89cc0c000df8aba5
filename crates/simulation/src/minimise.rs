//! Makes a failing simulation smaller, so that a person can see what it takes.

use std::time::Duration;

use crate::network::Weather;
use crate::plan::{Plan, Step};
use crate::run::{Detail, Outcome, run};

/// A failing plan, from which nothing more could be taken.
pub struct Minimised {
    /// What is left.
    pub plan: Plan,
    /// What comes of it.
    pub outcome: Outcome,
    /// How many plans were tried.
    pub runs: usize,
}

/// Takes away whatever a failing plan fails without: bad weather, wrong clocks, and steps, many at once at first. Tries at most
/// `runs_max` plans. `None` if the plan does not fail.
pub fn minimised(plan: &Plan, runs_max: usize) -> Option<Minimised> {
    let outcome = run(plan, Detail::Requests).ok().filter(fails)?;
    let mut best = Minimised { plan: plan.clone(), outcome, runs: 1 };
    let simpler: [fn(&mut Plan); 3] = [
        |plan| plan.weather = Weather::FAIR,
        |plan| plan.skews.iter_mut().for_each(|skew| *skew = 0),
        |plan| plan.disk_delay_max = Duration::from_millis(1),
    ];
    for simplify in simpler {
        let mut plan = best.plan.clone();
        simplify(&mut plan);
        best.try_plan(plan);
    }
    let mut taken = best.plan.steps.len().div_ceil(2);
    while taken > 0 {
        let mut from = 0;
        while from < best.plan.steps.len() && best.runs < runs_max {
            let mut plan = best.plan.clone();
            let steps: Vec<Step> = plan.steps.drain(from..).skip(taken).collect();
            plan.steps.extend(steps);
            if !best.try_plan(plan) {
                from += taken;
            }
        }
        taken /= 2;
    }
    // Logs are of use for the one that is told.
    best.outcome = run(&best.plan, Detail::Logs).ok().filter(fails)?;
    Some(best)
}

impl Minimised {
    /// Takes the plan if it fails, too.
    fn try_plan(&mut self, plan: Plan) -> bool {
        self.runs += 1;
        match run(&plan, Detail::Requests).ok().filter(fails) {
            Some(outcome) => {
                self.outcome = outcome;
                self.plan = plan;
                true
            }
            None => false,
        }
    }
}

fn fails(outcome: &Outcome) -> bool {
    !outcome.problems.is_empty()
}
