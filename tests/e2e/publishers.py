"""Participants of a room: the stock Python SDK, the stock browser SDK, `tapedeck publish`, and one with odd clocks."""

import json
import sys
from pathlib import Path

from browser import Browser
from process import DEADLINE_S, ROOT, Process
from server import BINARY
from tokens import token

SDK_PROGRAM = Path(__file__).resolve().parent / "sdk_publisher.py"


class Synthetic:
    """Participants of `tapedeck publish`, one for each name; a context."""

    starts = 0

    def __init__(self, rooms, room, directory, users, *more, **options):
        keys = ("--url", rooms.url, "--key", rooms.key, "--secret", rooms.secret)
        names = [word for user in users for word in ("--user", user)]
        rest = [word for name, value in options.items() for word in option(name, value)]
        Synthetic.starts += 1
        argv = [BINARY, "publish", "--room", room, *keys, *names, *rest, *more]
        self.process = Process(f"publish-{Synthetic.starts}", argv, directory)
        self.process.wait_line("publishing")

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class OddClock:
    """One participant whose RTP clocks jump: see crates/testkit/src/bin/odd-clock.rs; a context."""

    def __init__(self, rooms, room, user, directory, *options):
        keys = ("--url", rooms.url, "--key", rooms.key, "--secret", rooms.secret)
        argv = [ROOT / "target/debug/odd-clock", "--room", room, *keys, "--user", user, *options]
        self.process = Process(f"odd-{user}", argv, directory, stdin=True)
        self.process.wait_line("publishing")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.popen.stdin.close()
        self.process.succeed()


def option(name, value):
    """`fps=30` as `--fps 30`, `screen=True` as `--screen`."""
    flag = f"--{name.replace('_', '-')}"
    return (flag,) if value is True else (flag, value)


class SdkPublisher:
    """One participant with PyPI `livekit`; `number` is its number in the marks."""

    def __init__(self, rooms, room, identity, number, directory, *options, name=None):
        pass_on = ("--url", rooms.url, "--token", token(rooms.key, rooms.secret, room, identity, name), "--user", number)
        argv = [sys.executable, SDK_PROGRAM, *pass_on, *options]
        self.process = Process(f"sdk-{identity}", argv, directory, stdin=True)
        self.process.wait_line('"joined"')

    def publish(self, source, **options):
        return self._command("publish", source, options)

    def mute(self, source, muted):
        self._command("mute", source, muted)

    def resize(self, source, width, height):
        self._command("resize", source, width, height)

    def unpublish(self, source):
        self._command("unpublish", source)

    def leave(self):
        self._command("leave")
        self.process.wait()

    def _command(self, *command):
        seen = len(self.process.lines)
        self.process.popen.stdin.write(json.dumps(command) + "\n")
        self.process.popen.stdin.flush()
        return json.loads(self.process.wait_line(r'^\{"done"', since=seen).string)["result"]

    def stop(self):
        self.process.popen.kill()
        self.process.wait()


class WebPublisher:
    """One participant with npm `livekit-client` in Chromium."""

    def __init__(self, rooms, room, identity, number, directory, **options):
        self.number = number
        self.browser = Browser("publisher.html", directory, name=f"web-{identity}")
        self.browser.call("join", rooms.url, token(rooms.key, rooms.secret, room, identity), options)

    def publish(self, source, **options):
        return self.browser.call("publish", source, {"user": self.number, **options})

    def mute(self, source, muted):
        self.browser.call("mute", source, muted)

    def hush(self, source, silent):
        self.browser.call("hush", source, silent)

    def unpublish(self, source):
        self.browser.call("unpublish", source)

    def sent(self, source):
        return self.browser.call("sent", source)

    def leave(self):
        self.browser.call("leave", deadline_s=DEADLINE_S)

    def stop(self):
        self.browser.stop()
