"""The harness itself, where a fault of it could pass for a good result."""

import socket
import threading

import marks
from relay import pump


def test_ports_are_replaced_also_where_reads_cut_them():
    old, new = b"127.0.0.1 41234 ", b"127.0.0.1 45678 "
    text = b"a=candidate:1 1 udp 1 " + old + b"typ host " + old[:9] + b" rest 127.0.0.1 41235 typ" + old[:5]
    near, source = socket.socketpair()
    sink, far = socket.socketpair()
    thread = threading.Thread(target=pump, args=(source, sink, old, new))
    thread.start()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for byte in text:
        near.sendall(bytes([byte]))
    near.shutdown(socket.SHUT_WR)
    received = b""
    while chunk := far.recv(100):
        received += chunk
    thread.join()
    assert received == text.replace(old, new)


def test_marks_are_those_of_the_product():
    # The vector of crates/synth/src/code.rs.
    assert marks.check_sum(int.from_bytes(b"1234", "big"), int.from_bytes(b"56", "big")) == 0x2EF4
    cells = marks.cells(0x80000001, 0xFFFF)
    assert cells[1][1] == marks.WHITE and cells[1][2] == marks.BLACK and cells[2][16] == marks.WHITE
    assert (cells[3][1:] == marks.WHITE).all()
