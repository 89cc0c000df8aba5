"""Runs a command inside the namespaces that `run` has entered, with their network and names set up.

The mount namespace is private, so that binding our files over /etc/hosts and /etc/resolv.conf is seen by the processes
of this run only. The network namespace has nothing but a loopback interface, which starts out down.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

from harness import names

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
IFF_UP = 0x1


def bring_loopback_up() -> None:
    """Brings `lo` up, after which the whole of 127.0.0.0/8 answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def add_address(address: str) -> None:
    """Gives the loopback interface a further address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        packed = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(control, SIOCSIFADDR, packed)


def bind_over(target: str, content: str, work: Path) -> None:
    """Lets this mount namespace see `content` in the place of the file `target`."""
    ours = work / Path(target).name
    ours.write_text(content)
    subprocess.run(["mount", "--bind", str(ours), os.path.realpath(target)], check=True)


def main() -> None:
    work = Path(os.environ["INTEROP_WORK"]) / "etc"
    work.mkdir(parents=True, exist_ok=True)
    # A file system that this mount namespace alone sees: runs at the same time have one each, and nothing stays.
    subprocess.run(["mount", "-t", "tmpfs", "interop", str(work)], check=True)
    bring_loopback_up()
    add_address(names.PRIVATE_ADDRESS)
    bind_over("/etc/hosts", names.hosts_file(), work)
    bind_over("/etc/resolv.conf", names.resolver_file(), work)
    # Synapse would send its federation traffic through a proxy that the environment names.
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            del os.environ[name]
    os.environ["INTEROP_NAMESPACE"] = "1"
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
