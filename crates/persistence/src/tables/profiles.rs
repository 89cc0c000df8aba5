//! What users say about themselves. At most `PROFILE_SIZE_BYTES_MAX` (in `users`) a user.

pub(crate) const SCHEMA: &str = "
CREATE TABLE profile_fields (
    user_id TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, field)
);
";
