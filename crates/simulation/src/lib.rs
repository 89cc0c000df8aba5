//! Many servers in one process, under virtual time and injected faults
