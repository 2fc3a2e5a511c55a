#!/usr/bin/env python3
"""What the ready-made load generators can't do: hold idle TLS connections, and make handshakes and nothing else.

    hold.py idle PORT COUNT       opens COUNT connections, one request on each, says `held`, waits for a line, ends
    hold.py handshakes PORT SECS  full TLS 1.3 handshakes one after the other; says how many, and how long each took
"""

import resource
import socket
import ssl
import sys
import time


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


def handshakes(port, seconds):
    tls, took = context(), []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        connection = connect(tls, port)
        if connection.session_reused or connection.version() != "TLSv1.3":
            raise SystemExit("not a full TLS 1.3 handshake")
        took.append(time.monotonic() - begun)
        cipher = connection.cipher()[0]
        connection.close()
    took.sort()
    print(len(took), took[len(took) // 2] * 1e6, took[len(took) * 99 // 100] * 1e6, cipher, flush=True)


if __name__ == "__main__":
    what, port, amount = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "idle":
        idle(port, int(amount))
    else:
        handshakes(port, float(amount))
