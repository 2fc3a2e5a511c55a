#!/usr/bin/env python3
"""What the ready-made load generators can't do: hold idle TLS connections, and make handshakes and nothing else.

    hold.py idle PORT COUNT       opens COUNT connections, one request on each, says `held`, waits for a line, ends
    hold.py handshakes PORT SECS  full TLS 1.3 handshakes, 64 at once; says how many, and how long one took
"""

import resource
import selectors
import socket
import ssl
import sys
import time


AT_ONCE = 64


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols(["http/1.1"])
    return made


def connect(tls, port):
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(plain, server_hostname="localhost")


def ask(connection):
    """One request, its answer read to the end; the connection stays open."""
    connection.sendall(b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(16384)
        if not piece:
            raise SystemExit("the server hung up before its answer")
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"unexpected answer: {head[:60]!r}")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    left = length - len(body)
    while left > 0:
        piece = connection.recv(left)
        if not piece:
            raise SystemExit("the server hung up inside its answer")
        left -= len(piece)


def idle(port, count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tls, held = context(), []
    for _ in range(count):
        connection = connect(tls, port)
        ask(connection)
        held.append(connection)
    print("held", flush=True)
    sys.stdin.readline()


class Handshake:
    """One connection from its first packet to the end of its handshake; then it is closed."""

    def __init__(self, tls, port, selector):
        self.begun = time.monotonic()
        plain = socket.socket()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect(("127.0.0.1", port))  # on loopback the kernel answers at once
        plain.setblocking(False)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
        selector.register(self.socket, selectors.EVENT_READ, self)
        self.advance()

    def advance(self):
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


def handshakes(port, seconds):
    """As many at once as the other loads have connections, so that the server meets them in bunches, as they do."""
    tls, selector, took = context(), selectors.DefaultSelector(), []
    for _ in range(AT_ONCE):
        Handshake(tls, port, selector)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(10):
            if not key.data.advance():
                continue
            done = key.data.socket
            took.append(time.monotonic() - key.data.begun)
            if done.session_reused or done.version() != "TLSv1.3":
                raise SystemExit("not a full TLS 1.3 handshake")
            cipher = done.cipher()[0]
            selector.unregister(done)
            done.close()
            Handshake(tls, port, selector)
    took.sort()
    print(len(took), took[len(took) // 2] * 1e6, took[len(took) * 99 // 100] * 1e6, cipher, flush=True)


if __name__ == "__main__":
    what, port, amount = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "idle":
        idle(port, int(amount))
    else:
        handshakes(port, float(amount))
