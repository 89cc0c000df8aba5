//! The handles of the outside world: clock, randomness, computation, tasks; real and simulated
