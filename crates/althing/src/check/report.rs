use std::fmt::{self, Display};

/// What was found, in the order of looking.
#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

struct Finding {
    weight: Weight,
    subject: &'static str,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Good,
    Warning,
    Problem,
}

impl Report {
    /// It is as it should be.
    pub(super) fn good(&mut self, subject: &'static str, text: &dyn Display) {
        self.add(Weight::Good, subject, text);
    }

    /// The server runs, but somebody should look.
    pub(super) fn warning(&mut self, subject: &'static str, text: &dyn Display) {
        self.add(Weight::Warning, subject, text);
    }

    /// The server does not run, or nobody reaches it.
    pub(super) fn problem(&mut self, subject: &'static str, text: &dyn Display) {
        self.add(Weight::Problem, subject, text);
    }

    /// Says whether something must be mended.
    pub(super) fn has_problems(&self) -> bool {
        self.0.iter().any(|finding| finding.weight == Weight::Problem)
    }

    fn add(&mut self, weight: Weight, subject: &'static str, text: &dyn Display) {
        self.0.push(Finding { weight, subject, text: text.to_string() });
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { weight, subject, text } in &self.0 {
            let weight = match weight {
                Weight::Good => "ok  ",
                Weight::Warning => "warn",
                Weight::Problem => "MEND",
            };
            writeln!(f, "{weight}  {subject:<14} {text}")?;
        }
        let count = |weight| self.0.iter().filter(|finding| finding.weight == weight).count();
        match (count(Weight::Problem), count(Weight::Warning)) {
            (0, 0) => writeln!(f, "All is well."),
            (0, warnings) => writeln!(f, "Nothing to mend; warnings: {warnings}."),
            (problems, _) => writeln!(f, "To mend: {problems}."),
        }
    }
}
