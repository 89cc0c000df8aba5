//! Layer 2: each transaction is processed once and sent once
