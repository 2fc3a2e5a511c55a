#!/usr/bin/env python3
"""What one site's visitors notice when the server of another site dies, hangs or drips.

    make bench-isolation          about a minute

One gateway, two sites' worth of routes: behind `/good/` a server that is well, behind `/bad/` one that is refused,
then stopped (SIGSTOP), then sends one byte at a time. Fifty visitors a second ask for `/bad/`, five hundred a second
for `/good/`, and the times of those are compared with the times while nobody asks for `/bad/`: interleaved, several
rounds, medians over the rounds. Then: how long after its death the bad server is left alone (the page says
`unhealthy`), and how long after its return the first good answer comes.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SECONDS = float(os.environ.get("ISOLATION_SECONDS", "2"))
ROUNDS = int(os.environ.get("ISOLATION_ROUNDS", "3"))

SERVER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 4096  # a head and a body in one piece: no waiting for acknowledgements
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 512
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""

DRIPS = """
import socket, sys, threading, time
door = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
def drip(line):
    try:
        line.recv(4096); line.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n")
        for _ in range(1000): line.sendall(b"x"); time.sleep(0.05)
    except OSError: pass
while True: threading.Thread(target=drip, args=(door.accept()[0],), daemon=True).start()
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def start(program, port):
    child = subprocess.Popen([sys.executable, "-c", program, str(port)])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return child
        except OSError:
            time.sleep(0.02)


def ask(line, path):
    """One request on a kept connection: its status and whether the page calls the server unhealthy."""
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        piece = line.recv(65536)
        if not piece:
            raise ConnectionError
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(int(field.split(b":")[1]) for field in head.split(b"\r\n") if field.lower().startswith(b"content-length"))
    while len(body) < length:
        body += line.recv(65536)
    return int(head[9:12]), b'"unhealthy"' in body


def good(port, seconds):
    """The times of a steady visitor: 500 requests a second."""
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, due, end = [], time.perf_counter(), time.perf_counter() + seconds
    while due < end:
        time.sleep(max(0, due - time.perf_counter()))
        begun = time.perf_counter()
        status, _ = ask(line, "/good/")
        assert status == 200, status
        times.append(time.perf_counter() - begun)
        due += 0.002
    return times


def bad(port, over):
    """Fifty visitors a second, each on a connection of his own, who wait as long as it takes."""

    def visit():
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as line:
                line.settimeout(5)
                ask(line, "/bad/")
        except OSError:
            pass

    while not over.is_set():
        threading.Thread(target=visit, daemon=True).start()
        time.sleep(0.02)


def until(what, patience=20):
    begun = time.perf_counter()
    while not what():
        if time.perf_counter() - begun > patience:
            sys.exit("waited in vain")
        time.sleep(0.01)
    return time.perf_counter() - begun


def main():
    gateway, sound, ill = free_port(), free_port(), free_port()
    children = []
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "main.vcl"
        rules.write_text(
            f'gateway {{ .http = "127.0.0.1:{gateway}"; .state = "state"; .workers = 1; }}\n'
            f'backend good {{ .url = "http://127.0.0.1:{sound}"; }}\n'
            f'backend bad {{ .url = "http://127.0.0.1:{ill}"; .first_byte_timeout = 500ms; .between_bytes_timeout = 500ms; }}\n'
            'site "localhost" { .force_https = no; route "/good/" { .backend = good; } route "/bad/" { .backend = bad; } }\n'
        )
        program = os.environ.get("DOORWARD", PROJECT / "target/release/doorward")
        try:
            children.append(start(SERVER, sound))
            children.append(subprocess.Popen([program, "serve", rules], stderr=subprocess.DEVNULL))
            until(lambda: socket.socket().connect_ex(("127.0.0.1", gateway)) == 0)
            good(gateway, 1)

            def answers(wanted):
                def look():
                    with socket.create_connection(("127.0.0.1", gateway), 5) as line:
                        line.settimeout(5)
                        try:
                            return wanted(*ask(line, "/bad/"))
                        except OSError:
                            return False
                return look

            for what in ("refused", "stopped", "drips"):
                median, late = [], []
                for _ in range(ROUNDS):
                    alone = good(gateway, SECONDS)
                    child = {"refused": None, "stopped": SERVER, "drips": DRIPS}[what]
                    child = start(child, ill) if child else None
                    if what == "stopped":
                        child.send_signal(signal.SIGSTOP)
                    over = threading.Event()
                    crowd = threading.Thread(target=bad, args=(gateway, over))
                    crowd.start()
                    beside = good(gateway, SECONDS)
                    over.set()
                    crowd.join()
                    if child:
                        child.kill()
                        child.wait()
                    median.append(statistics.median(beside) / statistics.median(alone))
                    late.append(statistics.quantiles(beside, n=100)[98] / statistics.quantiles(alone, n=100)[98])
                print(f"{what:8} median x{statistics.median(median):.2f} (at most 1.10), p99 x{statistics.median(late):.2f} (at most 2)")

            for how in ("killed", "stopped"):
                child = start(SERVER, ill)
                until(answers(lambda status, _: status == 200))
                over = threading.Event()
                crowd = threading.Thread(target=bad, args=(gateway, over))
                crowd.start()
                child.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
                if how == "killed":
                    child.wait()
                open_after = until(answers(lambda _, unhealthy: unhealthy))
                if how == "killed":
                    child = start(SERVER, ill)
                else:
                    child.send_signal(signal.SIGCONT)
                back_after = until(answers(lambda status, _: status == 200))
                over.set()
                crowd.join()
                child.kill()
                child.wait()
                print(f"{how:8} left alone after {open_after:.2f} s (at most 1), first good answer {back_after:.2f} s after its return (at most 1)")
        finally:
            for child in children:
                child.kill()
                child.wait()


main()
