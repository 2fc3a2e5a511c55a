#!/usr/bin/env python3
"""The soak: the gateway under every kind of load in turn, for minutes, and nothing may grow.

    bench/soak.py 300                 five minutes against doorward
    bench/soak.py 60 --server nginx   the same against nginx, to see what the measure is worth

After a first lap, and again at the end, the server rests; then its memory, its open files and its threads are
counted. It fails when memory grew by more than a tenth and 8 MiB, when more files are open than idle connections to the
backend explain, or when a thread is left over.
"""

import argparse
import os
import random
import socket
import sys
import time

import run

GROWTH_BYTES_MAX = 8 << 20
REST_SECONDS = 3


def rude_visitors(server, count, seed):
    """Visitors who leave at the worst of times: in a handshake, in a head, in a body, before the answer."""
    dice = random.Random(seed)
    starts = [b"", b"GET", b"GET /1m HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00",
              b"POST /1k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc",
              b"POST /1k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]
    for _ in range(count):
        port = server.ports[dice.choice(("http", "https"))]
        with socket.create_connection(("127.0.0.1", port), 5) as visitor:
            visitor.sendall(dice.choice(starts))


def lap(server, folder, seed):
    for case in ("plain-h1", "tls-h1", "tls-h2", "body", "handshake"):
        run.load(case, server, 2, folder)
    rude_visitors(server, 500, seed)
    server.empty_logs()


def state(server):
    time.sleep(REST_SECONDS)
    files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.pids)
    threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in server.pids)
    return run.memory_bytes(server.pids), files, threads


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=int, nargs="?", default=300)
    parser.add_argument("--server", default="doorward", choices=["doorward", "nginx", "haproxy"])
    parser.add_argument("--binary", help="a doorward built already")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    binary = options.binary or (run.build() if options.server == "doorward" else None)
    folder, backend = run.ground()
    (server,) = run.servers_for([options.server], binary, folder, backend)
    server.start()
    server.check()

    end = time.monotonic() + options.seconds
    lap(server, folder, options.seed)
    memory, files, threads = state(server)
    laps = 1
    while time.monotonic() < end:
        lap(server, folder, options.seed + laps)
        laps += 1
        run.say(f"lap {laps}: {run.memory_bytes(server.pids) / 2**20:.1f} MiB")
    memory_now, files_now, threads_now = state(server)
    server.check()

    print(f"{options.server}, {laps} laps, seed {options.seed}: memory {memory / 2**20:.1f} -> {memory_now / 2**20:.1f} MiB, "
          f"open files {files} -> {files_now}, threads {threads} -> {threads_now}")
    if memory_now > memory * 1.1 + GROWTH_BYTES_MAX:
        raise run.Trouble("memory grew")
    # Idle connections to the backend come and go; no more of them than the pool keeps.
    if files_now > files + run.CONNECTIONS or threads_now > threads:
        raise run.Trouble("files or threads are left over")


if __name__ == "__main__":
    sys.exit(run.told(main))
