//! The content repository: which ids lead to which file. The files lie in a folder of their own, named by their SHA-256.

/// `hash` is null as long as nothing was uploaded to an id; `expires_at` is null from then on. Remote rows are a cache: at most
/// as many bytes as the configuration says, and `CACHE_AGE_MAX` (in `media`). At most `THUMBNAILS_PER_FILE_MAX` (in `media`) a file.
pub(crate) const SCHEMA: &str = "
CREATE TABLE local_media (
    media_id TEXT PRIMARY KEY,
    uploader TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    hash TEXT,
    bytes BIGINT,
    content_type TEXT,
    file_name TEXT
);
CREATE INDEX local_media_files ON local_media (hash);
CREATE INDEX local_media_unused ON local_media (uploader, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX local_media_expiry ON local_media (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE remote_media (
    origin TEXT NOT NULL,
    media_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    file_name TEXT,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (origin, media_id)
);
CREATE INDEX remote_media_files ON remote_media (hash);
CREATE INDEX remote_media_age ON remote_media (last_used_at);

CREATE TABLE media_thumbnails (
    hash TEXT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    variant TEXT NOT NULL,
    thumbnail_hash TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (hash, width, height, variant)
);
CREATE INDEX media_thumbnail_files ON media_thumbnails (thumbnail_hash);
";
