"""A participant with the stock Python SDK, as a program of its own: its native library ends a process that it dislikes.

Commands on standard input, one JSON list each: `["publish", "camera", {...}]`, `["mute", "camera", true]`,
`["resize", "camera", 640, 360]`, `["unpublish", "camera"]`, `["leave"]`. Each is answered with a line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time

import marks
from livekit import rtc

SOURCES = {
    "camera": rtc.TrackSource.SOURCE_CAMERA,
    "screen_share": rtc.TrackSource.SOURCE_SCREENSHARE,
    "microphone": rtc.TrackSource.SOURCE_MICROPHONE,
    "screen_share_audio": rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO,
}
PACKET = 480  # what an unbuffered source of the SDK takes: 10 ms


class Publisher:
    def __init__(self, user):
        self.room, self.user = rtc.Room(), user
        self.published, self.pumps, self.painters = {}, {}, {}

    async def publish(self, source, options):
        if source in ("camera", "screen_share"):
            track, pump = self._video(source, **options)
            wanted = rtc.TrackPublishOptions(
                source=SOURCES[source],
                video_codec=rtc.VideoCodec.Value(options.get("codec", "h264").upper()),
                simulcast=options.get("simulcast", False),
                video_encoding=rtc.VideoEncoding(max_bitrate=1_500_000, max_framerate=options.get("fps", 30)),
            )
        else:
            track, pump = self._audio()
            wanted = rtc.TrackPublishOptions(source=SOURCES[source], dtx=False, red=False)
        self.pumps[source] = asyncio.create_task(pump)
        self.published[source] = await self.room.local_participant.publish_track(track, wanted)
        return self.published[source].sid

    def _video(self, source, width=640, height=360, fps=30, **_):
        video = rtc.VideoSource(width, height)
        self.painters[source] = marks.Painter(width, height, self.user, fps)

        async def pump():
            async for frame in ticks(fps):
                painter = self.painters[source]
                data = painter.draw(frame)
                picture = rtc.VideoFrame(painter.width, painter.height, rtc.VideoBufferType.I420, data)
                video.capture_frame(picture, timestamp_us=frame * 1_000_000 // fps)

        return rtc.LocalVideoTrack.create_video_track("picture", video), pump()

    def _audio(self):
        source = rtc.AudioSource(marks.RATE, 1, queue_size_ms=0)

        async def pump():
            async for packet in ticks(marks.RATE // PACKET):
                samples = marks.sound(packet * PACKET, PACKET, self.user)
                await source.capture_frame(rtc.AudioFrame(samples, marks.RATE, 1, PACKET))

        return rtc.LocalAudioTrack.create_audio_track("sound", source), pump()

    async def mute(self, source, muted):
        track = self.published[source].track
        (track.mute if muted else track.unmute)()

    async def resize(self, source, width, height):
        self.painters[source] = marks.Painter(width, height, self.user, self.painters[source].fps)

    async def unpublish(self, source):
        self.pumps.pop(source).cancel()
        await self.room.local_participant.unpublish_track(self.published.pop(source).sid)

    async def leave(self):
        await self.room.disconnect()


async def ticks(per_second):
    """Numbers since the epoch, each when it is due; late ones follow at once."""
    number = int(time.time() * per_second) + 1
    while True:
        await asyncio.sleep(max(0, number / per_second - time.time()))
        yield number
        number += 1


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--user", type=int, default=0)
    parser.add_argument("--two-connections", action="store_true", help="the older protocol, /rtc")
    arguments = parser.parse_args()
    publisher = Publisher(arguments.user)
    options = rtc.RoomOptions(single_peer_connection=not arguments.two_connections)
    await publisher.room.connect(arguments.url, arguments.token, options)
    say({"joined": publisher.room.local_participant.identity})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *rest = json.loads(line)
        say({"done": command, "result": await getattr(publisher, command)(*rest)})
        if command == "leave":
            return


def say(answer):
    print(json.dumps(answer), flush=True)


asyncio.run(main())
