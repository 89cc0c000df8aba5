use std::path::PathBuf;

/// What is wrong with a configuration: which key, what stands there, what should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {reason}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file is no TOML.
    #[error("{path} is not valid TOML: {reason}", path = path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        reason: String,
    },
    /// A key or a variable that means nothing to us.
    #[error("{origin}: there is no `{key}`; did you mean `{nearest}`?")]
    Unknown {
        /// The file or the environment.
        origin: String,
        /// What was written.
        key: String,
        /// The known key or variable that is most like it.
        nearest: String,
    },
    /// A key without a default that was not set.
    #[error("{origin}: `{key}` is missing; set it, like `{key} = {example}`")]
    Missing {
        /// The file.
        origin: String,
        /// Which key.
        key: &'static str,
        /// What it could be.
        example: &'static str,
    },
    /// A value that the key cannot have.
    #[error("{origin}: `{key}` is {found}; expected {expected}")]
    Wrong {
        /// The file or the variable.
        origin: String,
        /// Which key.
        key: String,
        /// What stands there; secrets are not shown.
        found: String,
        /// What may stand there.
        expected: String,
    },
}
