//! Layer 4: what the rest of the homeserver uses to talk in rooms
