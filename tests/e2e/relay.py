"""A bad network between a room server and its clients.

Media goes through the seeded UDP relay of crates/testkit. Clients learn of it from the candidates in the server's
session descriptions: a TCP proxy in front of the signalling port replaces the media port there. Both ports have five
digits, so no message changes its length.
"""

import json
import socket
import threading

from process import ROOT, Process, free_ports


class BadNetwork:
    """Between clients and a room server with this signalling and media port; `url` is what clients join."""

    def __init__(self, directory, signal_port, media_port, seed=7, name="relay"):
        relay_port = free_ports(1)[0]
        binary = ROOT / "target/debug/udp-relay"
        argv = [binary, "--listen", f"127.0.0.1:{relay_port}", "--to", f"127.0.0.1:{media_port}", "--seed", seed]
        self.process = Process(name, argv, directory, stdin=True)
        self.process.wait_line('"addr"')
        self._signal = SignalProxy(signal_port, media_port, relay_port)
        self.url = f"ws://127.0.0.1:{self._signal.port}"

    def impair(self, direction="both", **settings):
        return self._command(f"set {direction} {json.dumps(settings)}")

    def black_out(self, on):
        return self._command(f"blackout {'on' if on else 'off'}")

    def stats(self):
        return self._command("stats")

    def _command(self, text):
        seen = len(self.process.lines)
        self.process.popen.stdin.write(text + "\n")
        self.process.popen.stdin.flush()
        answer = json.loads(self.process.wait_line(r"^\{.*\}$", since=seen).group())
        assert "error" not in answer, answer
        return answer

    def stop(self):
        self._signal.close()
        self.process.popen.stdin.close()
        self.process.succeed()


class SignalProxy:
    """Forwards TCP connections to `to_port`, replacing the media port in what the server says."""

    def __init__(self, to_port, media_port, relay_port):
        self._to = ("127.0.0.1", to_port)
        self._old, self._new = (f"127.0.0.1 {p} ".encode() for p in (media_port, relay_port))
        assert len(self._old) == len(self._new)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._to)
            except OSError:
                client.close()
                continue
            # Compressed messages could not be changed: the offer to compress is made unreadable.
            up = (b"Sec-WebSocket-Extensions", b"Xec-WebSocket-Extensions")
            for source, sink, words in ((client, server, up), (server, client, (self._old, self._new))):
                threading.Thread(target=pump, args=(source, sink, *words), daemon=True).start()

    def close(self):
        # Shutting down wakes the thread in accept(); closing alone would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def pump(source, sink, old, new):
    """Copies bytes until either side ends, with each `old` replaced, also where reads cut it in two."""
    held = b""
    try:
        while chunk := source.recv(65536):
            held = (held + chunk).replace(old, new)
            keep = next((n for n in range(len(old) - 1, 0, -1) if held.endswith(old[:n])), 0)
            sink.sendall(held[: len(held) - keep])
            held = held[len(held) - keep :]
        sink.sendall(held)
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
