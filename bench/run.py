#!/usr/bin/env python3
"""The bench: doorward beside nginx and HAProxy, one core each, interleaved, access logs on.

    make bench                    everything, about ten minutes
    bench/run.py --quick          a first look in about a minute
    bench/run.py --only tls-h1    one case (or several: --only plain-h1,idle)
    bench/run.py --servers nginx,haproxy

What is measured is the CPU time a server spends per request (user + system of all its processes and threads, from
/proc/PID/stat), because it stays true on a shared machine; rates and latencies stand beside it. The server under
test has core 1 for itself; load and backend share core 0. Rounds are interleaved, so that a slow minute of the
machine hits all; the figures are medians over the rounds, ratios the medians of each round's ratio to nginx. On a
machine whose first two cores are threads of one, start it under taskset with two that are not.
What each program is told stands in configs.py. Nothing but Python's standard library is needed.
"""

import argparse
import atexit
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import configs

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
TICK = os.sysconf("SC_CLK_TCK")
# The first two cores this process may use; usually 0 and 1.
LOAD_CORE, SERVER_CORE = (list(map(str, sorted(os.sched_getaffinity(0)))) * 2)[:2]
CONNECTIONS = 64

# case: what it is, the target for doorward as a ratio to nginx (None: another unit, see report)
CASES = {
    "plain-h1": ("plain HTTP/1.1, 1 KiB", 1.15),
    "tls-h1": ("TLS HTTP/1.1, 1 KiB", 1.00),
    "tls-h2": ("TLS HTTP/2, 1 KiB", 1.15),
    "body": ("TLS HTTP/1.1, 1 MiB", 0.60),
    "fastcgi": ("FastCGI hello, plain HTTP/1.1", 1.10),
    "handshake": ("full TLS handshake", 0.90),
    "static": ("static file, plain HTTP/1.1, 1 KiB", 1.20),
    "static-body": ("static file, TLS HTTP/1.1, 1 MiB", 1.00),
    "idle": ("idle TLS connection", None),
    "routes": ("10, 1,000 and 100,000 routes", None),
}
# HAProxy serves no files.
STATIC = ("static", "static-body")
IDLE_TARGET_KIB = 16
ROUTES = (10, 1_000, 100_000)
ROUTES_TARGET = 1.05


class Trouble(Exception):
    """Something the reader can mend; said without a stack of frames."""


# ---- processes -----------------------------------------------------------------------------------------------

running = []


def start(command, core, **more):
    """Starts a process on a core, in a group of its own, to be ended with us whatever happens."""
    process = subprocess.Popen(["taskset", "-c", core, *map(str, command)], start_new_session=True, **more)
    running.append(process)
    return process


def end(process):
    for word in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, word)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
            break
        except subprocess.TimeoutExpired:
            pass
    if process in running:
        running.remove(process)


def end_all():
    for process in list(running):
        end(process)


def family(pid):
    """A process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(stat(int(entry))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, look = [], [pid]
    while look:
        one = look.pop()
        found.append(one)
        look.extend(children.get(one, []))
    return found


def stat(pid):
    """The fields of /proc/PID/stat behind the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pids):
    return sum(int(fields[11]) + int(fields[12]) for fields in map(stat, pids)) / TICK


def memory_bytes(pids):
    """Proportional set size: what a master and its worker share counts once."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024
    return total


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(port, process, name, log, seconds=60):
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        if process.poll() is not None:
            raise Trouble(f"{name} ended with status {process.returncode}; its last words:\n{last_words(log)}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Trouble(f"{name} does not listen on port {port}; its last words:\n{last_words(log)}")


def last_words(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(none)"


# ---- the servers ---------------------------------------------------------------------------------------------


class Server:
    def __init__(self, name, command, ports, folder, logs):
        self.name, self.command, self.ports, self.folder, self.logs = name, command, ports, folder, logs

    def start(self):
        out = self.folder / f"{self.name}.out"
        with out.open("wb") as sink:
            self.process = start(self.command, SERVER_CORE, stdout=sink, stderr=subprocess.STDOUT, cwd=self.folder)
        for port in (self.ports["http"], self.ports["https"]):
            wait_for(port, self.process, self.name, out)
        self.pids = family(self.process.pid)

    def stop(self):
        end(self.process)

    def check(self):
        """One plain request, so that a wrong configuration is seen before it is measured."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['http']}/1k", headers={"Host": "localhost"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            if answer.status != 200 or len(answer.read()) != 1024:
                raise Trouble(f"{self.name} does not answer /1k as it should")

    def log_bytes(self):
        return sum(path.stat().st_size for path in self.folder.glob(self.logs)) if self.logs else None

    def empty_logs(self):
        """Between rounds: all of them append, so a file cut to nothing goes on from its start."""
        for path in self.folder.glob(self.logs) if self.logs else ():
            os.truncate(path, 0)


def doorward(name, binary, folder, behind, routes):
    http, https, admin = free_ports(3)
    rules = folder / f"{name}.vcl"
    rules.write_text(configs.DOORWARD.format(
        http=http, https=https, admin=admin, dir=folder, name=name, routes=routes, **behind))
    return Server(name, [binary, "serve", rules], {"http": http, "https": https}, folder, f"{name}/log/**/access-*.log")


def servers_for(names, binary, folder, behind):
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files_max = 65_536 if files_max == resource.RLIM_INFINITY else files_max
    made = []
    for name in names:
        if name == "doorward":
            made.append(doorward(name, binary, folder, behind, configs.ONE_ROUTE))
            continue
        http, https = free_ports(2)
        values = dict(http=http, https=https, dir=folder, files_max=files_max, **behind)
        if name == "nginx":
            config = folder / "nginx.conf"
            config.write_text(configs.NGINX.format(**values))
            command, logs = [tool("nginx"), "-c", config, "-p", folder], "nginx-access.log"
        else:
            # Nobody reads it: what does not fit into the socket's buffer is dropped by the kernel, after it was sent.
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sink.bind(("127.0.0.1", 0))
            servers_for.sink = sink
            config = folder / "haproxy.cfg"
            config.write_text(configs.HAPROXY.format(syslog=sink.getsockname()[1], **values))
            command, logs = [tool("haproxy"), "-db", "-f", config], None
        made.append(Server(name, command, {"http": http, "https": https}, folder, logs))
    return made


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Trouble(f"{name} is missing: run `make bench`, which installs what is needed, or apt-get install it")
    return path


# ---- the loads -----------------------------------------------------------------------------------------------
# Each gives (requests, seconds, p50 in µs, p99 in µs).


def wrk(url, seconds, script=None):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    command += ["-s", script] if script else ["-H", "Host: localhost"]
    text = finished(start([*command, url], LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT), seconds + 30)
    if "Non-2xx" in text or "Socket errors" in text:
        raise Trouble(f"{url} did not answer everything with 200:\n{text}")
    requests, took = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text).group(1, 2)
    percent = {where: micros(*re.search(rf"^\s+{where}%\s+([\d.]+)(us|ms|s)$", text, re.M).groups()) for where in (50, 99)}
    return int(requests), float(took), percent[50], percent[99]


def micros(number, unit):
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def h2load(port, seconds, folder):
    log = folder / "h2load.tsv"
    log.unlink(missing_ok=True)
    command = ["h2load", f"-c{CONNECTIONS}", "-m1", "-t1", f"-D{seconds}", f"--log-file={log}",
               f"--connect-to=127.0.0.1:{port}", f"https://localhost:{port}/1k"]
    text = finished(start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT), seconds + 30)
    succeeded, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", text).groups())
    if "Application protocol: h2" not in text or not succeeded or failed:
        raise Trouble(f"h2load was not served as it should be:\n{text}")
    with log.open() as lines:
        took = sorted(int(line.rsplit("\t", 1)[1]) for line in lines)
    return succeeded, float(seconds), took[len(took) // 2], took[len(took) * 99 // 100]


def handshakes(port, seconds):
    command = [sys.executable, HERE / "hold.py", "handshakes", port, seconds]
    text = finished(start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT), seconds + 30)
    try:
        count, p50, p99, cipher = text.split()
    except ValueError:
        raise Trouble(f"the handshakes failed:\n{text}") from None
    handshakes.cipher = cipher
    return int(count), float(seconds), float(p50), float(p99)


def finished(process, seconds):
    try:
        text = process.communicate(timeout=seconds)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        end(process)
        raise Trouble("a load generator did not come to its end") from None
    running.remove(process)
    if process.returncode:
        raise Trouble(f"a load generator failed:\n{text}")
    return text


def load(case, server, seconds, folder):
    http, https = f"http://localhost:{server.ports['http']}", f"https://localhost:{server.ports['https']}"
    if case == "plain-h1":
        return wrk(f"{http}/1k", seconds)
    if case == "tls-h1":
        return wrk(f"{https}/1k", seconds)
    if case == "tls-h2":
        return h2load(server.ports["https"], seconds, folder)
    if case == "fastcgi":
        return wrk(f"{http}/script/hello.php", seconds)
    if case == "body":
        return wrk(f"{https}/1m", seconds)
    if case == "static":
        return wrk(f"{http}/static/1k", seconds)
    if case == "static-body":
        return wrk(f"{https}/static/1m", seconds)
    return handshakes(server.ports["https"], seconds)


# ---- the measurements ----------------------------------------------------------------------------------------


def measure(server, run):
    before = cpu_seconds(server.pids)
    requests, seconds, p50, p99 = run()
    # Log lines still on their way to the disk belong to these requests.
    time.sleep(0.1)
    spent = cpu_seconds(server.pids) - before
    return {"cpu": spent / requests * 1e6, "rate": requests / seconds, "p50": p50, "p99": p99,
            "memory": memory_bytes(server.pids), "requests": requests}


def measure_idle(server, count):
    """Memory per connection that has had one answer and now rests."""
    def hold(how_many):
        command = [sys.executable, HERE / "hold.py", "idle", server.ports["https"], how_many]
        process = start(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        word = process.stdout.readline()
        if word != b"held\n":
            process.wait(10)
            raise Trouble(f"{server.name} did not let {how_many} connections rest")
        time.sleep(2.0)  # whatever the server does with a connection that rests, it has done by now
        memory = memory_bytes(server.pids)
        process.communicate(b"\n", timeout=30)
        running.remove(process)
        return memory

    few = 50
    base = hold(few)
    return (hold(count) - base) / (count - few)


def rounds(cases, servers, options, folder):
    taking_part = {case: [server for server in servers if not (case in STATIC and server.name == "haproxy")] for case in cases}
    results = {case: {server.name: [] for server in taking_part[case]} for case in cases}
    for number in range(options.rounds):
        for case in cases:
            for server in taking_part[case]:
                say(f"round {number + 1} of {options.rounds}: {CASES[case][0]}: {server.name}")
                if number == 0:
                    load(case, server, 1, folder)  # warm: connections to the backend, pages of memory
                server.empty_logs()
                figures = measure(server, lambda: load(case, server, options.seconds, folder))
                logged = server.log_bytes()
                if logged is not None and case != "handshake" and logged < figures["requests"] * 40:
                    raise Trouble(f"{server.name} did not log what it served: {logged} bytes, {figures['requests']} requests")
                results[case][server.name].append(figures)
    return results


def routes(binary, folder, backend, options):
    """What a look-up costs: doorward against itself, with ever more routes, all of them asked for in turn."""
    made = []
    for count in ROUTES:
        script = folder / f"routes-{count}.lua"
        script.write_text(configs.ROUTES_LUA.format(count=count))
        server = doorward(f"routes-{count}", binary, folder, backend, configs.many_routes(count))
        begun = time.monotonic()
        server.start()
        made.append((count, server, script, time.monotonic() - begun))
    figures = {count: [] for count in ROUTES}
    for number in range(options.rounds):
        for count, server, script, _ in made:
            say(f"round {number + 1} of {options.rounds}: {count} routes")
            run = lambda seconds: wrk(f"http://localhost:{server.ports['http']}/", seconds, script)  # noqa: E731
            if number == 0:
                run(1)
            server.empty_logs()
            figures[count].append(measure(server, lambda: run(options.seconds)))
    for _, server, _, _ in made:
        server.stop()
    return {count: {"figures": figures[count], "start": begun} for count, _, _, begun in made}


# ---- the report ----------------------------------------------------------------------------------------------


def median(figures, what):
    return statistics.median(one[what] for one in figures)


def ratio(results, name, what="cpu"):
    """The median of each round's ratio to nginx in the same round."""
    pairs = zip(results[name], results["nginx"])
    return statistics.median(ours[what] / theirs[what] for ours, theirs in pairs)


def verdict(value, target):
    return "yes" if value <= target else "no"


def report(results, idle, routed, names, options):
    versions = {
        "nginx": lambda: first_line([tool("nginx"), "-v"]).replace("nginx version: ", ""),
        "haproxy": lambda: " ".join(first_line([tool("haproxy"), "-v"]).split()[:3]),
        "doorward": lambda: first_line([options.binary, "--version"]),
    }
    lines = [
        "# The bench", "",
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())} · {cpu_model()} · Linux {platform.release()} · "
        + " · ".join(versions[name]() for name in names), "",
        f"{options.rounds} interleaved rounds of {options.seconds} s, {CONNECTIONS} keep-alive connections, one worker on a core "
        "of its own, load and backend on another. CPU is user + system of all processes and threads of the server. "
        "Medians; ratios are to nginx in the same round. Access logs are on for all: nginx and doorward write files, "
        "HAProxy sends to a UDP port nobody reads."
        + (f" TLS 1.3, {handshakes.cipher}, X25519, ECDSA P-256, no resumption." if hasattr(handshakes, "cipher") else ""), "",
    ]
    reached = []
    if results:
        lines += ["| case | server | CPU per request | ratio to nginx | requests/s | p50 | p99 | memory |",
                  "|---|---|--:|--:|--:|--:|--:|--:|"]
        for case, by_name in results.items():
            for name, figures in by_name.items():
                against = f"{ratio(by_name, name):.2f}" if by_name.get("nginx") else "–"
                lines.append(
                    f"| {CASES[case][0]} | {name} | {median(figures, 'cpu'):.1f} µs | {against} | {median(figures, 'rate'):,.0f} | "
                    f"{show_time(median(figures, 'p50'))} | {show_time(median(figures, 'p99'))} | {median(figures, 'memory') / 2**20:.1f} MiB |")
            if "doorward" in by_name and "nginx" in by_name:
                value, target = ratio(by_name, "doorward"), CASES[case][1]
                reached.append((CASES[case][0], f"{value:.2f} × nginx", f"≤ {target:.2f} ×", verdict(value, target)))
        lines.append("")
    if idle:
        lines += ["| server | memory per idle TLS connection |", "|---|--:|"]
        lines += [f"| {name} | {value / 1024:.1f} KiB |" for name, value in idle.items()]
        lines += ["", f"{options.idle} connections, one answer each, then two seconds of rest; proportional set size, the kernel's part not counted.", ""]
        if "doorward" in idle:
            value = idle["doorward"] / 1024
            reached.append((CASES["idle"][0], f"{value:.1f} KiB", f"≤ {IDLE_TARGET_KIB} KiB", verdict(value, IDLE_TARGET_KIB)))
    if routed:
        lines += ["| routes | CPU per request | ratio to 10 routes | memory | start |", "|--:|--:|--:|--:|--:|"]
        base = routed[ROUTES[0]]["figures"]
        for count, one in routed.items():
            against = statistics.median(a["cpu"] / b["cpu"] for a, b in zip(one["figures"], base))
            lines.append(f"| {count:,} | {median(one['figures'], 'cpu'):.1f} µs | {against:.2f} | "
                         f"{median(one['figures'], 'memory') / 2**20:.1f} MiB | {one['start']:.2f} s |")
        lines += ["", "Plain HTTP/1.1, each request to another route.", ""]
        reached.append(("100,000 routes", f"{against:.2f} × 10 routes", f"≤ {ROUTES_TARGET:.2f} ×", verdict(against, ROUTES_TARGET)))
    if reached:
        lines += ["| what | doorward | target | reached |", "|---|--:|--:|---|"]
        lines += [f"| {what} | {value} | {target} | {yes} |" for what, value, target, yes in reached]
        lines.append("")
    if options.quick:
        lines += ["A quick look: too short to compare closely.", ""]
    return "\n".join(lines)


def show_time(value):
    return f"{value / 1e3:.2f} ms" if value >= 1000 else f"{value:.0f} µs"


def first_line(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or ["?"])[0]


def cpu_model():
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else platform.machine()


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- the run -------------------------------------------------------------------------------------------------


def build():
    """Builds release and asks cargo where the binary lies, since the target folder may be anywhere."""
    done = subprocess.run(["cargo", "build", "--release", "--bin", "doorward", "--message-format=json-render-diagnostics"],
                          cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Trouble("doorward does not build")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "doorward":
            return message["executable"]
    raise Trouble("cargo built no binary called doorward")


def prepare(folder, files):
    # The servers' own files lie on a disk, as they would; from the second request on they are in its cache.
    (folder / "static").mkdir()
    for place in (files, folder / "static"):
        (place / "1k").write_bytes(b"x" * 1024)
        (place / "1m").write_bytes(b"x" * 2**20)
    (files / "script").mkdir(mode=0o755)
    (files / "script" / "hello.php").write_bytes(b"")  # it is looked for, and never read
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "chain.pem"], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "chain.pem").read_text() + (folder / "key.pem").read_text())
    (folder / "key.pem").chmod(0o600)


def start_backend(folder, files):
    (port,) = free_ports(1)
    config = folder / "backend.conf"
    config.write_text(configs.BACKEND.format(dir=folder, backend=port, files=files))
    out = folder / "backend.out"
    with out.open("wb") as sink:
        process = start([tool("nginx"), "-c", config, "-p", folder], LOAD_CORE, stdout=sink, stderr=subprocess.STDOUT)
    wait_for(port, process, "the backend", out)
    (scripts,) = free_ports(1)
    program = PROJECT / "bench" / "fastcgi.py"
    with out.open("ab") as sink:
        process = start([sys.executable, program, str(scripts)], LOAD_CORE, stdout=sink, stderr=subprocess.STDOUT)
    wait_for(scripts, process, "the FastCGI program", out)
    # What every server is told of what lies behind it.
    return {"backend": port, "fastcgi": scripts, "files": files}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one look at everything in about a minute")
    parser.add_argument("--only", metavar="CASES", help="of " + ", ".join(CASES))
    parser.add_argument("--servers", default="nginx,haproxy,doorward", help="which to measure (default: all three)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of load per measurement")
    parser.add_argument("--idle", type=int, help="how many idle connections")
    parser.add_argument("--binary", help="a doorward built already")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.idle = options.idle or (500 if options.quick else 2000)
    options.cases = options.only.split(",") if options.only else list(CASES)
    options.servers = options.servers.split(",")
    for given, known in ((options.cases, CASES), (options.servers, ("nginx", "haproxy", "doorward"))):
        for one in given:
            if one not in known:
                parser.error(f"`{one}` is none of {', '.join(known)}")
    return options


def ground():
    """Folders, certificate and backend; all of it is gone when this process ends, however it ends."""
    if LOAD_CORE == SERVER_CORE:
        raise Trouble("two cores are needed: one for the server, one for load and backend")
    for name in ("taskset", "wrk", "h2load", "openssl"):
        tool(name)
    folder = Path(tempfile.mkdtemp(prefix="doorward-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    memory = Path("/dev/shm")
    files = Path(tempfile.mkdtemp(prefix="doorward-bench-", dir=memory if memory.is_dir() else folder))
    atexit.register(shutil.rmtree, files, ignore_errors=True)
    for one in (folder, files):
        one.chmod(0o755)  # workers of an nginx started by root read them as nobody
    atexit.register(end_all)  # runs before the folders are removed
    prepare(folder, files)
    return folder, start_backend(folder, files)


def bench(options):
    options.binary = options.binary or (build() if "doorward" in options.servers else None)
    folder, backend = ground()
    servers = servers_for(options.servers, options.binary, folder, backend)
    for server in servers:
        server.start()
        server.check()

    # Memory of idle connections first, on servers that have done nothing else yet.
    idle = {}
    if "idle" in options.cases:
        for server in servers:
            say(f"{options.idle} idle TLS connections: {server.name}")
            idle[server.name] = measure_idle(server, options.idle)
    results = rounds([case for case in options.cases if case not in ("idle", "routes")], servers, options, folder)
    for server in servers:
        server.stop()
    routed = None
    if "routes" in options.cases and "doorward" in options.servers:
        routed = routes(options.binary, folder, backend, options)
    return report(results, idle, routed, options.servers, options)


def told(work):
    """Runs it; troubles are said in a line, and being told to stop ends what we started too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return work() or 0
    except Trouble as trouble:
        say(f"{Path(sys.argv[0]).name}: {trouble}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


def main():
    options = arguments()
    text = bench(options)
    print(text)
    kept = HERE / "results" / "latest.md"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(text)


if __name__ == "__main__":
    sys.exit(told(main))
