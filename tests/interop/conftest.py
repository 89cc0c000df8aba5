"""The options and fixtures of the interop tests.

A test takes `here`, the server where its room is made, `there`, the other one, and `version`, the room's version; it
runs once for each direction and version.
"""

import asyncio
import functools
import os

import pytest
import pytest_asyncio

from harness.pair import KINDS, World
from peer import Peer

VERSIONS = ["6", "10", "11", "12"]
# Beside these, for scenarios that are marked to run in every version.
OTHER_VERSIONS = ["1", "2", "3", "4", "5"]
ALL_VERSIONS = [str(number) for number in range(1, 13)]
LOG_LINES = 40
# Seconds after which a test is given up, whatever it waits for.
TEST_LIMIT = 240

world_key = pytest.StashKey[World]()


def pytest_addoption(parser):
    group = parser.getgroup("interop")
    group.addoption("--left", choices=KINDS, default="althing", help="kind of the left server")
    group.addoption("--right", choices=KINDS, default="synapse", help="kind of the right server")
    group.addoption("--third", choices=KINDS, help="kind of the third server; as the left one if not given")
    group.addoption("--graphs", type=int, default=2, help="generated histories of each room version, see test_oracle.py")
    group.addoption("--kills", type=int, default=10, help="how often a server is killed in test_crashes.py, by tens")
    group.addoption("--first-graph", type=int, default=0, help="seed of the first of them")
    group.addoption("--broken-anyway", action="store_true", help="run the tests in broken/ also against Synapse")


def pytest_configure(config):
    if "INTEROP_NAMESPACE" not in os.environ and not config.option.collectonly:
        raise pytest.UsageError("start these tests with tests/interop/run, which sets up their network")
    config.addinivalue_line("markers", "since(version): the room version that the scenario needs")
    config.addinivalue_line("markers", "every_version: the scenario runs for room versions 1 to 5 too")
    config.addinivalue_line("markers", "versions(*names): the only room versions that the scenario runs for")


def pytest_generate_tests(metafunc):
    given = {name for mark in metafunc.definition.iter_markers("parametrize") for name in str(mark.args[0]).split(", ")}
    if "version" in metafunc.fixturenames and "version" not in given:
        since = metafunc.definition.get_closest_marker("since")
        only = metafunc.definition.get_closest_marker("versions")
        every = metafunc.definition.get_closest_marker("every_version")
        if "graph_seed" in metafunc.fixturenames:
            versions = ALL_VERSIONS
        elif only:
            versions = list(only.args)
        else:
            versions = (OTHER_VERSIONS if every else []) + VERSIONS
        versions = [v for v in versions if not since or int(v) >= since.args[0]]
        metafunc.parametrize("version", versions, ids=[f"v{v}" for v in versions])
    if "graph_seed" in metafunc.fixturenames:
        first, graphs = metafunc.config.option.first_graph, metafunc.config.option.graphs
        metafunc.parametrize("graph_seed", range(first, first + graphs))
    if "crash_round" in metafunc.fixturenames:
        metafunc.parametrize("crash_round", range(max(1, metafunc.config.option.kills // 10)))
    if "made" in metafunc.fixturenames and "made" not in given:
        metafunc.parametrize("made", ["left", "right"], ids=["made-left", "made-right"])


def pytest_collection_modifyitems(items):
    for item in items:
        item.obj = limited(item.obj)


def limited(test):
    """Returns the test, given up after TEST_LIMIT."""

    @functools.wraps(test)
    async def run(*args, **kwargs):
        async with asyncio.timeout(TEST_LIMIT):
            await test(*args, **kwargs)

    return run


@pytest_asyncio.fixture(scope="session")
async def world(request, tmp_path_factory):
    options = request.config.option
    kinds = {"left": options.left, "right": options.right, "third": options.third or options.left}
    world = World(kinds, tmp_path_factory.mktemp("interop"))
    request.config.stash[world_key] = world
    yield world
    await world.stop()


@pytest.fixture
def names():
    """How the servers are known. A module that wants IP literals overrides this."""
    return "host"


@pytest_asyncio.fixture
async def pair(world, names):
    try:
        pair = await world.pair(names)
    except Exception as failure:
        # Nothing can be tested without servers; hundreds of further errors would hide the reason.
        pytest.exit(f"the servers do not start: {failure}", returncode=1)
    yield pair
    await pair.heal()


@pytest.fixture
def here(pair, made):
    """The server where the room is made."""
    return getattr(pair, made)


@pytest.fixture
def there(pair, here):
    """The server that is not `here`."""
    return pair.other(here)


@pytest_asyncio.fixture
async def peer(world):
    """A scripted peer with a fresh name, so that no server remembers keys or back-off of an earlier test."""
    place = world.fresh_peer_place()
    peer = Peer(place, world.authority)
    await peer.start()
    yield peer
    await peer.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and (world := item.config.stash.get(world_key, None)):
        for server in world.servers:
            title = f"log of {server.name} ({server.kind}), {server.log}"
            report.sections.append((title, server.log_tail(LOG_LINES)))
    return report
