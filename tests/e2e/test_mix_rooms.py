"""A full picture: nine users, each in a place of their own."""

import itertools
from threading import Event

import openapi
from mixed import (
    assert_beeps,
    assert_region,
    assert_to_the_end,
    assert_together,
    look_everywhere,
    only_file,
    two_at_a_time,
)
from publishers import Synthetic

ROOM, TASK = "nine", "mix"
SIZE = {"width": 320, "height": 180, "fps": 25}
CANVAS = {"RecordMode": 0, "Encode": {"VideoWidth": 1280, "VideoHeight": 720, "VideoFps": 25}}
# Thirds of the sides, rounded to even pixels.
COLUMNS, ROWS = [(0, 426), (426, 428), (854, 426)], [(0, 240), (240, 240), (480, 240)]
GRID = [(x, y, width, height) for (y, height), (x, width) in itertools.product(ROWS, COLUMNS)]


def test_nine_users_in_one_picture(server, tmp_path):
    users = [f"user-{number}" for number in range(9)]
    with Synthetic(server.rooms, ROOM, tmp_path, users=users, **SIZE):
        server.api.start(ROOM, TASK, **CANVAS)
        server.api.wait_status(ROOM, TASK, openapi.RUNNING)
        Event().wait(10)
        server.api.stop(ROOM, TASK)
        task = server.api.wait_status(ROOM, TASK, openapi.ENDED)
    path, file = only_file(server, task)
    assert sorted(stream["UserId"] for stream in file["StreamList"]) == users
    reports = look_everywhere(path, GRID)
    assert sorted(report["video"]["user"] for report in reports) == list(range(9))
    for report in reports:
        assert_region(report, file)
        assert_to_the_end(report, file)
    assert_together(reports)
    two_at_a_time(lambda number: assert_beeps(path, file, 600 + 100 * number, count=7), range(9))
