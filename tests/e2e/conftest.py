"""Fixtures: servers, room servers and browsers, each ended with the test that asked for it."""

import pytest

import livekit_server
from browser import Browser
from livekit_server import LiveKit
from relay import BadNetwork
from server import Server

SKIP_LIVEKIT = "real LiveKit server: not built, because Go is missing"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for folder in {getattr(value, "directory", None) for value in item.funcargs.values()} - {None}:
            for log in sorted(folder.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-150:]
                report.sections.append((f"end of {log.name}", "\n".join(lines)))


def temporary(factory, request):
    return factory.mktemp(request.node.name.replace("/", "-").replace(".py", "")[:40] or "session")


@pytest.fixture(scope="session")
def livekit(tmp_path_factory):
    if not livekit_server.installed():
        pytest.skip(SKIP_LIVEKIT)
    server = LiveKit(tmp_path_factory.mktemp("livekit"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def livekit_if_there(request):
    """The LiveKit server, or None where there is none."""
    return request.getfixturevalue("livekit") if livekit_server.installed() else None


@pytest.fixture(scope="module")
def server(tmp_path_factory, request, livekit_if_there):
    """A server for the tests of one file that leave it as they find it."""
    server = Server(temporary(tmp_path_factory, request), livekit_if_there)
    yield server
    server.stop()
    server.check()


class Venue:
    """A tapedeck, and the room server on which one of its apps has its rooms."""

    def __init__(self, server, api, rooms):
        self.server, self.api, self.rooms = server, api, rooms


@pytest.fixture(scope="module", params=["embedded", "livekit"])
def venue(request, server):
    if request.param == "embedded":
        return Venue(server, server.api, server.rooms)
    return Venue(server, server.foreign_api, request.getfixturevalue("livekit"))


@pytest.fixture(scope="session")
def player(tmp_path_factory):
    """A browser that plays files."""
    browser = Browser("player.html", tmp_path_factory.mktemp("player"))
    yield browser
    browser.stop()
