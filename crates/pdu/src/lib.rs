//! Layer 3: the event graph of each room
