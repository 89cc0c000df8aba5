//! The content repository
