use std::io::{IsTerminal, Read};

/// Bytes that are read of standard input.
const INPUT_BYTES_MAX: u64 = 4096;

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    /// A person types it, twice.
    Terminal,
    /// The first line of standard input, for scripts.
    StandardInput,
}

/// There is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("there is no terminal to ask for a password: pass it with --password-stdin")]
    NoTerminal,
    #[error("the password cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("the two passwords differ")]
    Different,
    #[error("the password is empty")]
    Empty,
}

impl PasswordSource {
    /// Gets the password.
    pub(crate) fn read(self) -> Result<String, PasswordError> {
        let password = match self {
            Self::Terminal => ask()?,
            Self::StandardInput => {
                let mut text = String::new();
                std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
                text.lines().next().unwrap_or_default().to_owned()
            }
        };
        if password.is_empty() { Err(PasswordError::Empty) } else { Ok(password) }
    }
}

fn ask() -> Result<String, PasswordError> {
    if !std::io::stdin().is_terminal() {
        return Err(PasswordError::NoTerminal);
    }
    let password = rpassword::prompt_password("Password: ")?;
    if password == rpassword::prompt_password("Again: ")? { Ok(password) } else { Err(PasswordError::Different) }
}
