"""Child processes whose output is kept, watched line by line and shown when a test fails."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Generous: a deadline only decides how long a broken test takes to fail. The machine may be busy.
DEADLINE_S = 60.0
POLL_S = 0.05


def eventually(probe, what, deadline_s=DEADLINE_S):
    """Calls `probe` until it returns something true, and returns that."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s:.0f} s")
        pause.wait(POLL_S)


def free_ports(count):
    """Ports of five digits that are free for both TCP and UDP."""
    held, ports = [], []
    while len(ports) < count:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        held += [tcp, udp]
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        try:
            udp.bind(("127.0.0.1", port))
        except OSError:
            continue
        if port >= 10_000:
            ports.append(port)
    for one in held:
        one.close()
    return ports


class Slowed:
    """A process that has a twelfth of its time, as on a machine that is overloaded; a context."""

    RUNS_S, STANDS_S = 0.005, 0.055

    def __init__(self, pid):
        self.pid, self.over = pid, threading.Event()
        self.thread = threading.Thread(target=self._slow)

    def _slow(self):
        while not self.over.wait(self.RUNS_S):
            os.kill(self.pid, signal.SIGSTOP)
            self.over.wait(self.STANDS_S)
            os.kill(self.pid, signal.SIGCONT)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def children(pid):
    """Process ids of the living children of `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            pass
    return found


class Process:
    """A running program. `lines` grows with its standard output and error, in the order they came."""

    def __init__(self, name, argv, log_dir, env=None, stdin=False):
        self.name, self.lines = name, []
        self._changed = threading.Condition()
        self.log = Path(log_dir) / f"{name}.log"
        self.popen = subprocess.Popen(
            [str(a) for a in argv],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            text=True,
            errors="replace",
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.log.open("a") as log:
            for line in self.popen.stdout:
                log.write(line)
                log.flush()
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self):
        return self.popen.pid

    def wait_line(self, pattern, deadline_s=DEADLINE_S, since=0):
        """The match of the first line from `since` on in which `pattern` is found."""
        end, at = time.monotonic() + deadline_s, since
        with self._changed:
            while True:
                for line in self.lines[at:]:
                    if found := re.search(pattern, line):
                        return found
                at = len(self.lines)
                if not self._reader.is_alive():
                    raise AssertionError(f"{self.name} ended without a line {pattern!r}:\n{self.tail()}")
                if time.monotonic() > end:
                    raise AssertionError(f"{self.name}: no line {pattern!r} in {deadline_s} s:\n{self.tail()}")
                self._changed.wait(0.5)

    def wait(self, deadline_s=DEADLINE_S):
        """The exit status."""
        status = self.popen.wait(deadline_s)
        self._reader.join(deadline_s)
        return status

    def succeed(self, deadline_s=DEADLINE_S):
        """Waits for the end, which must be a good one."""
        status = self.wait(deadline_s)
        assert status == 0, f"{self.name} exited with {status}:\n{self.tail()}"
        return "\n".join(self.lines)

    def tail(self, count=60):
        return "\n".join(self.lines[-count:])

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        self.popen.kill()
        self.wait()

    def stop(self, deadline_s=20):
        """Asks it to end; kills it if it does not."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {deadline_s} s of SIGTERM:\n{self.tail()}") from None


def run(argv, deadline_s=DEADLINE_S, **options):
    """Runs a program to its end and returns its standard output; a bad exit fails the test with both outputs."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=deadline_s, **options)
    assert done.returncode == 0, f"{argv[0]} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
