#!/usr/bin/env python3
"""Slow readers in front of an old server: what is left for everybody else.

    make bench-slow               doorward beside nginx, about two minutes
    bench/slow_readers.py --binary target/debug/doorward --seconds 4 --rounds 1

An old server has 8 processes, each of which thinks for a while and then holds its one connection until its page is
out of its hands. Fast readers are measured alone, then beside 200 readers who take their pages at 10 KB/s; what is
shown is how much of their goodput the fast readers keep (medians over the rounds). Behind nothing that buffers, the
slow readers would soon have all processes. nginx has Debian's default buffers; `straight` is doorward with
`.answer_buffer = 0`, to show that there is something to measure. Only Python's standard library is needed.

Between two programs of one machine a kernel takes up to four megabytes of an answer itself, which no thin line to a
visitor would make it do. So all of this runs in a network of its own (`unshare --net`), where it holds 64 KB.
"""

import argparse
import atexit
import http.client
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

PROCESSES = 8
THINKS = 0.020
# How long a process waits for another request on the connection it has, as Apache's KeepAliveTimeout does.
KEEPS_ALIVE = 5
PAGE_FAST = 20 << 10
PAGE_SLOW = 256 << 10
SLOW_READERS = 200
SLOW_RATE = 10 << 10
FAST_READERS = 16
TARGET = 0.95
KERNEL_HOLDS = "4096 16384 65536"

NGINX = """
user root;
worker_processes 2;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log {dir}/nginx-access.log combined;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75s;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://127.0.0.1:{old}; }}
    }}
}}
"""

DOORWARD = """
gateway {{
    .http = "127.0.0.1:{port}";
    .state = "{dir}/{name}";
    .workers = 2;
    .connections_per_network_max = 4096;
}}
backend old {{ .url = "http://127.0.0.1:{old}"; .workers = 8; .idle_timeout = 4s; }}
site "localhost" {{ .force_https = no; route "/" {{ .backend = old; {route} }} }}
"""


# ---- the old server ------------------------------------------------------------------------------------------


def serve(listener):
    """One process: one connection at a time, from accept to close."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pages = {b"/fast": b"x" * PAGE_FAST, b"/slow": b"x" * PAGE_SLOW}
    while True:
        connection, _ = listener.accept()
        connection.settimeout(KEEPS_ALIVE)
        try:
            kept = b""
            while True:
                while b"\r\n\r\n" not in kept:
                    some = connection.recv(65536)
                    if not some:
                        raise ConnectionError
                    kept += some
                head, _, kept = kept.partition(b"\r\n\r\n")
                line = head.split(b"\r\n", 1)[0].split(b" ")
                time.sleep(THINKS)
                page = pages.get(line[1], b"?")
                closes = line[2] == b"HTTP/1.0" or b"connection: close" in head.lower()
                connection.settimeout(None)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n%s\r\n%s"
                    % (len(page), b"Connection: close\r\n" if closes else b"", page)
                )
                if closes:
                    break
                connection.settimeout(KEEPS_ALIVE)
        except OSError:
            pass
        connection.close()


def old_server():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(511)
    processes = [multiprocessing.Process(target=serve, args=(listener,), daemon=True) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    return listener.getsockname()[1], processes


# ---- visitors ------------------------------------------------------------------------------------------------


def read_slowly(port, started):
    """All slow readers, in one process: each takes its share ten times a second, page after page."""
    request = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
    share = SLOW_RATE // 10

    def begin():
        one = socket.socket()
        # Little is on its way to somebody with a thin line.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", port))
        one.sendall(request)
        one.setblocking(False)
        return [one, 0]

    readers = [begin() for _ in range(SLOW_READERS)]
    begun = set()
    while True:
        turn = time.monotonic()
        for at, reader in enumerate(readers):
            try:
                some = reader[0].recv(share)
            except BlockingIOError:
                continue
            except OSError:
                some = b""
            if not some:
                reader[0].close()
                readers[at] = begin()
                continue
            begun.add(at)
            reader[1] += len(some)
            # The next page, when this one is over; its head is in the count, which is close enough.
            if reader[1] >= PAGE_SLOW:
                reader[1] -= PAGE_SLOW
                reader[0].setblocking(True)
                reader[0].sendall(request)
                reader[0].setblocking(False)
        if len(begun) == SLOW_READERS or turn - started.value > 30:
            started.value = -1.0
        time.sleep(max(0.0, 0.1 - (time.monotonic() - turn)))


def read_fast(port, seconds):
    """Pages a second that the fast readers got, and how many they did not get."""
    end = time.monotonic() + seconds
    pages, failed = [0] * FAST_READERS, [0] * FAST_READERS

    def read(at):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < end:
            try:
                connection.request("GET", "/fast", headers={"Host": "localhost"})
                answer = connection.getresponse()
                whole = len(answer.read()) == PAGE_FAST and answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                whole = False
            if not whole:
                failed[at] += 1
                time.sleep(0.05)
            elif time.monotonic() < end:
                pages[at] += 1
        connection.close()

    threads = [threading.Thread(target=read, args=(at,)) for at in range(FAST_READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(pages) / seconds, sum(failed)


# ---- gateways ------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def gateway(name, binary, old, folder):
    port = free_port()
    values = {"dir": folder, "old": old, "port": port, "name": name}
    if name == "nginx":
        path = folder / "nginx.conf"
        path.write_text(NGINX.format(**values))
        command = ["nginx", "-e", f"{folder}/nginx-start.log", "-c", path]
    else:
        route = ".answer_buffer = 0;" if name == "straight" else ""
        path = folder / f"{name}.vcl"
        path.write_text(DOORWARD.format(route=route, **values))
        command = [binary, "serve", path]
    log = (folder / f"{name}.out").open("wb")
    process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, start_new_session=True)
    atexit.register(end, process)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://localhost:{port}/fast", timeout=5).read()
            return process, port
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit(f"{name} does not answer:\n{(folder / f'{name}.out').read_text()}")


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def memory_mb(process):
    """The peak of the gateway's largest process."""
    peak = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(entry)) == process.pid:
                status = Path(f"/proc/{entry}/status").read_text()
                peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
        except (OSError, IndexError, ValueError):
            pass
    return peak / 1024


def measure(name, options, folder):
    old, processes = old_server()
    process, port = gateway(name, options.binary, old, folder)
    alone, _ = read_fast(port, options.seconds)
    started = multiprocessing.Value("d", time.monotonic())
    slow = multiprocessing.Process(target=read_slowly, args=(port, started), daemon=True)
    slow.start()
    while started.value >= 0:
        time.sleep(0.1)
    beside, failed = read_fast(port, options.seconds)
    peak = memory_mb(process)
    slow.kill()
    end(process)
    for one in processes:
        one.kill()
    print(f"  {name:9} alone {alone:6.1f}/s, beside slow readers {beside:6.1f}/s, {failed} failed, {peak:.0f} MB")
    return beside / alone


def thin_lines(arguments):
    """Goes on in a network of its own, whose kernel buffers are as small as on a thin line."""
    if os.environ.get("DOORWARD_THIN_LINES") is None:
        os.environ["DOORWARD_THIN_LINES"] = "yes"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", sys.executable, *arguments])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/tcp_wmem").write_text(KERNEL_HOLDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=PROJECT / "target/release/doorward", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", default="doorward,nginx,straight")
    options = parser.parse_args()
    thin_lines(sys.argv)
    names = options.servers.split(",")
    if not options.binary.exists():
        sys.exit(f"{options.binary} is not there: cargo build --release")
    if "nginx" in names and not shutil.which("nginx"):
        sys.exit("nginx is not installed: apt-get install nginx-light")
    kept = {name: [] for name in names}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}")
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                kept[name].append(measure(name, options, Path(folder)))
    print(f"\nfast readers keep, beside {SLOW_READERS} who read at {SLOW_RATE >> 10} KB/s:")
    for name, ratios in kept.items():
        print(f"  {name:9} {statistics.median(ratios):6.1%}   ({', '.join(f'{one:.1%}' for one in ratios)})")
    if "doorward" in kept and statistics.median(kept["doorward"]) < TARGET:
        sys.exit(f"doorward is to keep {TARGET:.0%}")


if __name__ == "__main__":
    main()
