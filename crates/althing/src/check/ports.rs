//! Whether we can listen where the configuration says.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::Report;

/// Whether a server of ours is running on this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Yes,
    No,
}

/// Tries to listen at each address of `setting`, and lets go at once.
pub(super) fn check(setting: &'static str, addresses: &[SocketAddr], running: Running, report: &mut Report) {
    for address in addresses {
        match (TcpListener::bind(address), running) {
            (Ok(_), _) => report.good("ports", &format!("{setting}: {address} is free")),
            (Err(error), Running::Yes) if error.kind() == ErrorKind::AddrInUse => {
                report.good("ports", &format!("{setting}: {address} is in use, by the running server"));
            }
            (Err(error), Running::Yes | Running::No) => {
                report.problem("ports", &format!("{setting}: cannot listen at {address}: {}", advice(&error)));
            }
        }
    }
}

fn advice(error: &std::io::Error) -> String {
    // The other kinds have words of their own that say enough.
    if error.kind() == ErrorKind::AddrInUse {
        "another program does; end it, or choose another port".to_owned()
    } else if error.kind() == ErrorKind::AddrNotAvailable {
        "this machine does not have the address".to_owned()
    } else if error.kind() == ErrorKind::PermissionDenied {
        "ports below 1024 need a right: choose another port, or grant CAP_NET_BIND_SERVICE".to_owned()
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_a_problem_unless_we_took_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = [taken.local_addr().unwrap()];
        for (running, expected) in [(Running::No, true), (Running::Yes, false)] {
            let mut report = Report::default();
            check("client.listen", &address, running, &mut report);
            assert_eq!(report.has_problems(), expected, "{report}");
        }
        drop(taken);
        let mut report = Report::default();
        check("client.listen", &address, Running::No, &mut report);
        assert!(!report.has_problems(), "{report}");
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let mut report = Report::default();
        // TEST-NET-1 belongs to nobody.
        check("client.listen", &["192.0.2.1:8008".parse().unwrap()], Running::No, &mut report);
        assert!(report.to_string().contains("this machine does not have the address"), "{report}");
    }
}
