"""What is ours of mixed pictures: the large window follows who speaks; names, clock and watermarks."""

import subprocess
from itertools import groupby
from threading import Event

import openapi
from probe import probe
from publishers import SdkPublisher

SIZE = {"width": 320, "height": 180, "fps": 15}
CANVAS = {"RecordMode": 0, "Encode": {"VideoWidth": 1280, "VideoHeight": 720, "VideoFps": 25}}
EXTENSION = {
    "Layout": "speaker",
    "Names": True,
    "Clock": {"Position": "bottom-right", "UtcOffsetMinutes": 480},
    "Watermarks": [{"Text": "内部资料 internal", "X": 40, "Y": 40, "Size": 40, "Alpha": 0.5}],
}
# Of the large window, as the vertical layout has it.
LARGE = (0, 0, 1024, 720)
# The time of day: the right end of the clock, over places that nobody has.
TIME = (1120, 672, 144, 40)
ALICE, BOB, CHEN = 1, 2, 3
ALICES_TONE = 600 + 100 * ALICE


def test_the_large_window_shows_who_speaks(server, tmp_path):
    room, task = "speakers", "mix"
    people = [
        SdkPublisher(server.rooms, room, "alice", ALICE, tmp_path),
        SdkPublisher(server.rooms, room, "bob", BOB, tmp_path),
        SdkPublisher(server.rooms, room, "chen", CHEN, tmp_path, name="陈晨"),
    ]
    try:
        alice, bob, _ = people
        for person in people:
            person.publish("camera", **SIZE)
        alice.publish("microphone")
        bob.publish("microphone")
        bob.mute("microphone", True)
        server.api.start(room, task, **CANVAS, Tapedeck={"Mix": EXTENSION})
        server.api.wait_status(room, task, openapi.RUNNING)
        Event().wait(7)
        alice.mute("microphone", True)
        bob.mute("microphone", False)
        Event().wait(8)
        server.api.stop(room, task)
        ended = server.api.wait_status(room, task, openapi.ENDED)
    finally:
        for person in people:
            person.stop()
    (file,) = ended["RecordFileList"]
    path, file = server.place(file)
    pictures = probe(path, "--region", *LARGE, "--list")["video"]["list"]
    seen = [picture for picture in pictures if picture.get("user") is not None]
    turns = [(user, [picture["ms"] for picture in group]) for user, group in groupby(seen, lambda seen: seen["user"])]
    assert [user for user, _ in turns][-2:] == [ALICE, BOB], turns
    # Both hum between their beeps: he has taken over a second after she fell silent, which was in the second after her
    # last beep.
    assert all(times[-1] - times[0] > 3000 for _, times in turns[-2:]), turns
    beeps = probe(path, "--tone", ALICES_TONE)["audio"]["beeps"]
    last_ms = max(beep["ms"] for beep in beeps if beep["level"] > 0.1)
    assert 1000 < turns[-1][1][0] - last_ms < 3000, (turns[-1][1][0], beeps)
    assert_ticks(luma(path, TIME), 25, file["Duration"] / 1000)


def luma(path, place):
    """A part of all pictures, 25 a second, as lists of brightness."""
    x, y, width, height = place
    filters = f"fps=25,crop={width}:{height}:{x}:{y},format=gray"
    argv = ["ffmpeg", "-v", "error", "-i", path, "-vf", filters, "-f", "rawvideo", "-"]
    data = subprocess.run(argv, check=True, capture_output=True).stdout
    size = width * height
    return [data[at : at + size] for at in range(0, len(data), size)]


def assert_ticks(pictures, fps, seconds):
    """The clock changes once a second and stands still in between; the first second is the encoder's."""
    assert any(level > 200 for level in pictures[fps]), "white digits"
    change = [sum(abs(a - b) for a, b in zip(*pair)) / len(pair[0]) for pair in zip(pictures, pictures[1:])]
    ticks = [at for at, mean in enumerate(change) if mean > 0.4 and at >= fps]
    assert abs(len(ticks) - (seconds - 1)) < 2, ticks
    # A mix that falls behind leaves out up to three of four frames.
    assert all(abs(b - a - fps) <= 4 for a, b in zip(ticks, ticks[1:])), ticks
