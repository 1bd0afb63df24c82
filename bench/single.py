"""What it costs to record single streams, beside `ffmpeg -c copy` of the same media from disk and from RTP.

Synthetic users (1280x720, 30 fps, 2 Mbit/s H.264 with Opus) publish into the embedded room server; `tapedeck record`
records their rooms. Counted is the processor time of the recorder processes alone, user and system, over a window in the
middle. Every file is checked for missing pictures afterwards, so a figure never hides a loss.

With --limit the recorders get that share of one core and no more (a control group, which takes root), and users are
added step by step until pictures are missing: how many streams a core records before loss, measured and not computed.

Usage: ./do bench single [--users 8,24] [--per-room 8] [--seconds 20] [--limit 0.2]
"""

import argparse
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/tapedeck"
KEY, SECRET = "benchkey", "a secret for a benchmark of 32 chars"
FPS = 30
TICKS = os.sysconf("SC_CLK_TCK")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu(pid):
    """User and system seconds that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def pss(pid):
    """Memory in MB, shared pages divided among those who share them."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


class CoreShare:
    """A control group (version 1) whose processes get a share of one core."""

    PERIOD_US = 10_000

    def __init__(self, share):
        self.folder = pathlib.Path(f"/sys/fs/cgroup/cpu/tapedeck-bench-{os.getpid()}")
        try:
            self.folder.mkdir()
            (self.folder / "cpu.cfs_period_us").write_text(str(self.PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(int(self.PERIOD_US * share)))
        except OSError as error:
            sys.exit(f"--limit needs control groups (version 1) and root: {error}")

    def add(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def remove(self):
        self.folder.rmdir()


class Bench:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        rooms, media, api = free_port(), free_port(socket.SOCK_DGRAM), free_port()
        self.url = f"ws://127.0.0.1:{rooms}"
        config = self.folder / "tapedeck.toml"
        config.write_text(
            f'[server]\ndata_dir = "{self.folder}/data"\napi_bind = "127.0.0.1:{api}"\nlog = "warn"\n'
            f'[rooms]\nhttp_bind = "127.0.0.1:{rooms}"\nudp_bind = "127.0.0.1:{media}"\n'
            f'[[rooms.keys]]\nkey = "{KEY}"\nsecret = "{SECRET}"\n'
        )
        self.server = subprocess.Popen([BINARY, "serve", "--config", config], stdout=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", rooms)) == 0:
                    return
            time.sleep(0.1)
        sys.exit("the server does not start")

    def tapedeck(self, *args, **options):
        argv = [BINARY, *args, "--url", self.url, "--key", KEY, "--secret", SECRET]
        return subprocess.Popen([str(a) for a in argv], **options)

    def record(self, users, per_room, audio, seconds, share=None):
        """Returns the cost of recording `users` users, `per_room` to a room, with this kind of sound."""
        name = f"{audio}-{users}" + ("-limited" if share else "")
        out = self.folder / name
        rooms = [f"{name}-{n}" for n in range((users + per_room - 1) // per_room)]
        publishers, recorders = [], []
        for n, room in enumerate(rooms):
            count = min(per_room, users - n * per_room)
            media = ["--size", "1280x720", "--fps", FPS, "--bitrate", "2000"]
            publishers.append(self.tapedeck("publish", "--room", room, "--users", count, *media, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        time.sleep(6 + users / 10)
        for room in rooms:
            argv = ["record", "--room", room, "--out", out / room, "--audio", audio]
            recorders.append(self.tapedeck(*argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        time.sleep(5)
        pids = [child for recorder in recorders for child in children(recorder.pid)]
        for pid in pids if share else []:
            share.add(pid)
        before, started = [cpu(pid) for pid in pids], time.monotonic()
        time.sleep(seconds)
        after, window = [cpu(pid) for pid in pids], time.monotonic() - started
        memory = sum(pss(pid) for pid in pids)
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
        files = [line for recorder in recorders for line in recorder.communicate()[0].decode().split("\n") if line]
        for publisher in publishers:
            publisher.send_signal(signal.SIGINT)
        for publisher in publishers:
            publisher.communicate()
        user = sum(a[0] - b[0] for a, b in zip(after, before))
        system = sum(a[1] - b[1] for a, b in zip(after, before))
        return {
            "users": users,
            "files": files,
            "user_s_per_hour": user / window / users * 3600,
            "system_s_per_hour": system / window / users * 3600,
            "streams_per_core": users * window / (user + system) if user + system else float("inf"),
            "mb_per_stream": memory / users,
            "missing": sum(missing(f) for f in files),
        }

    def before_loss(self, per_room, audio, seconds, limit, expected):
        """The most streams that this share of a core recorded without a missing picture, from 60 % of those expected on
        in steps of 10 %, and the first count with a loss."""
        share, most = CoreShare(limit), 0
        for percent in range(60, 200, 10):
            users = max(1, round(expected * limit * percent / 100))
            result = self.record(users, per_room, audio, seconds, share)
            whole = len(result["files"]) == users and result["missing"] == 0
            print(f"  {audio}: {users} streams in {limit:g} of a core: {result['missing']} pictures missing", flush=True)
            shutil.rmtree(self.folder / f"{audio}-{users}-limited")
            if not whole:
                break
            most = users
        share.remove()
        return most, users

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(20)


def missing(path):
    """Pictures that are not in the recording, by the distances between those that are."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,size", "-of", "csv=p=0", path]
    packets = [line.split(",") for line in subprocess.run(probe, capture_output=True, check=True, text=True).stdout.split()]
    times = [float(time) for time, size, *_ in packets if int(size) > 0]
    # The black entries before the first key frame are 0.2 s apart; what follows is the camera's.
    first = next(n for n in range(len(times) - 1) if times[n + 1] - times[n] < 0.1)
    return sum(round((b - a) * FPS) - 1 for a, b in zip(times[first:], times[first + 1 :]))


def ffmpeg(args, **options):
    return subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], **options)


def used(process):
    """Waits for a process; returns its user and system seconds."""
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime, usage.ru_stime


def floor_from_disk(source, folder):
    """`ffmpeg -c copy` from file to file, in seconds per hour of media."""
    user, system = used(ffmpeg(["-stream_loop", 59, "-i", source, "-c", "copy", folder / "copy.mp4"]))
    length = duration(folder / "copy.mp4")
    return user / length * 3600, system / length * 3600


def floor_from_rtp(source, folder, seconds):
    """`ffmpeg -c copy` from RTP on loopback to a fragmented file, in seconds per hour of media."""
    sdp, video, audio = folder / "bench.sdp", free_port(socket.SOCK_DGRAM) & ~1, free_port(socket.SOCK_DGRAM) & ~1
    send = ["-re", "-stream_loop", -1, "-i", source, "-t", seconds + 6, "-map", "0:v", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{video}",
            "-map", "0:a", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{audio}", "-sdp_file", sdp]
    sender = ffmpeg(send)
    while not sdp.exists() or not sdp.stat().st_size:
        time.sleep(0.1)
    out = folder / "rtp.mp4"
    receive = ["-protocol_whitelist", "file,udp,rtp", "-i", sdp, "-t", seconds, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", out]
    user, system = used(ffmpeg(receive, stderr=subprocess.DEVNULL))
    sender.kill()
    sender.wait()
    length = duration(out)
    return user / length * 3600, system / length * 3600


def duration(path):
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(probe, capture_output=True, check=True).stdout)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", default="8,24")
    options.add_argument("--per-room", type=int, default=8)
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--limit", type=float)
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        row = "{:<34} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.0f} {:>9} {:>9}"
        print(f"{'CPU seconds per stream-hour':<34} {'user':>9} {'system':>9} {'total':>9} {'str/core':>9} {'MB/str':>9} {'missing':>9}")
        source = None
        for audio in ("opus", "aac"):
            for users in map(int, options.users.split(",")):
                r = bench.record(users, options.per_room, audio, options.seconds)
                user, system = r["user_s_per_hour"], r["system_s_per_hour"]
                print(row.format(f"tapedeck, {audio} kept" if audio == "opus" else "tapedeck, opus to aac", user, system, user + system,
                                 r["streams_per_core"], f"{r['mb_per_stream']:.1f}", r["missing"]) + f"   {users} streams", flush=True)
                source = source or r["files"][0]
            if options.limit:
                most, lost = bench.before_loss(options.per_room, audio, options.seconds, options.limit, r["streams_per_core"])
                print(f"{audio}: {most} streams without loss in {options.limit:g} of a core = {most / options.limit:.0f} per core (loss at {lost})", flush=True)
        bench.stop()
        for name, (user, system) in {
            "ffmpeg -c copy, from disk": floor_from_disk(source, pathlib.Path(folder)),
            "ffmpeg -c copy, from RTP": floor_from_rtp(source, pathlib.Path(folder), options.seconds),
        }.items():
            print(row.format(name, user, system, user + system, 3600 / (user + system), "", ""))
        print(f"processor time of the benchmark's own children: {sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]):.0f} s")


if __name__ == "__main__":
    main()
