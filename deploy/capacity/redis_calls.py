"""What a call to Redis costs its one thread, by the processor time that the server itself counts.

The scripts are those of shared/jobs, on jobs that are made by them. Processor time, and not answers a second,
since client and server share a machine here: a slow client makes a call look slow, but not dear. What waits for
the disk is measured by itself: Redis syncs once for all that it was asked meanwhile.
"""

import contextlib
import hashlib
import pathlib
import re
import socket
import subprocess
import time
import uuid

SCRIPTS = pathlib.Path(__file__).parent / "../../shared/jobs/src/scripts"
FIELDS = pathlib.Path(__file__).parent / "../../shared/jobs/src/job.rs"
SETTINGS = ["--appendonly", "yes", "--save", ""]
JOBS, KIND, LEASE_MS, KEPT_MS = 400, "draw-faces", "30000", str(7 * 86_400_000)


class Connection:
    """One connection that asks and waits, in Redis's protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def __call__(self, *words):
        self.send(*words)
        return self.answer()

    def send(self, *words):
        parts = [str(word).encode() for word in words]
        asked = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(b"*%d\r\n%s" % (len(parts), asked))

    def answer(self):
        line = self.lines.readline()
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.lines.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self.answer() for _ in range(int(rest))]
        return rest


@contextlib.contextmanager
def server(folder, sync="always"):
    """A Redis on a socket in this new folder; on disk before the answer, as that of components/redis."""
    folder.mkdir()
    path = folder / "socket"
    words = ["redis-server", "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    words += [*SETTINGS, "--appendfsync", sync]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert process.poll() is None, "redis-server ended"
            time.sleep(0.05)
        yield path
    finally:
        process.terminate()
        process.wait()


def scripts():
    """The text of each script by its name, as scripts.rs puts it together."""
    prelude = (SCRIPTS / "prelude.lua").read_text()
    files = [file for file in SCRIPTS.glob("*.lua") if file.stem != "prelude"]
    return {file.stem: prelude + file.read_text() for file in files}


def names_by_hash():
    """Which script is meant by the hash in an EVALSHA."""
    return {hashlib.sha1(text.encode()).hexdigest(): name for name, text in scripts().items()}


def fields():
    """The fields that are read of a job."""
    listed = re.search(r"FIELDS: \[&str; \d+\] = \[(.*?)\];", FIELDS.read_text(), re.S)
    return re.findall(r'"(\w+)"', listed[1])


class Bench:
    """Calls by kind, and what they cost."""

    def __init__(self, path):
        self.ask = Connection(path)
        self.hashes = {name: self.ask("SCRIPT", "LOAD", text) for name, text in scripts().items()}
        self.microseconds = {}

    def busy_seconds(self):
        told = dict(line.split(":") for line in self.ask("INFO", "cpu").split("\r\n") if ":" in line)
        return sum(float(told[f"used_cpu_{part}_main_thread"]) for part in ("user", "sys"))

    def script(self, name, keys, *arguments):
        return self.ask("EVALSHA", self.hashes[name], len(keys), *keys, *arguments)

    def time(self, name, calls):
        """Makes the calls, remembers what one costs and gives what they answered."""
        before = self.busy_seconds()
        answers = [call() for call in calls]
        spent = self.busy_seconds() - before
        self.remember(name, spent / len(answers))
        return answers

    def remember(self, name, seconds):
        """The least of several runs: what is more came from other programs."""
        found = round(seconds * 1e6, 1)
        self.microseconds[name] = min(found, self.microseconds.get(name, found))


def key(job):
    return f"agespan:job:{job}"


def lifetimes(bench, number=JOBS):
    """Many shards from their submission to their deletion, one kind of call after the other."""
    stream, indexes = f"agespan:queue:{KIND}", ["agespan:index", f"agespan:index:{KIND}"]
    jobs = [str(uuid.uuid4()) for _ in range(number)]
    payload, worker = '{"job":"' + jobs[0] + '","first":32,"count":16}', str(uuid.uuid4())

    def submit(job):
        keys = [key(job), stream, *indexes, "agespan:sequence", f"agespan:request:{KIND}:{job}"]
        return bench.script("submit", keys, job, KIND, payload, 3, "")

    def on_each(name, *arguments):
        return bench.time(name, [
            lambda job=job: bench.script(name, [key(job), stream], job, *arguments) for job in jobs
        ])

    bench.time("submit", [lambda job=job: submit(job) for job in jobs])
    read = ["XREADGROUP", "GROUP", "workers", worker, "COUNT", 1, "BLOCK", 500, "STREAMS", stream, ">"]
    answers = bench.time("read", [lambda: bench.ask(*read)] * number)
    entries = {entry[1][1]: entry[0] for answer in answers for entry in answer[0][1]}
    # The name of the claim is the job's: any name will do.
    bench.time("claim", [
        lambda job=job: bench.script(
            "claim", [key(job), stream], entries[job], worker, LEASE_MS, KEPT_MS, job
        ) for job in jobs
    ])
    on_each("renew", worker, LEASE_MS)
    on_each("progress", 7, 25, "")
    on_each("checkpoint", '{"first":64,"tally":{"images":64,"draws":70,"odd":0}}')
    bench.time("HGET", [lambda job=job: bench.ask("HGET", key(job), "revision") for job in jobs])
    bench.time("HMGET", [lambda job=job: bench.ask("HMGET", key(job), *fields()) for job in jobs])
    bench.time("PING", [lambda: bench.ask("PING")] * number)
    on_each("succeed", '{"images":16}', KEPT_MS)
    bench.time("delete", [
        lambda job=job: bench.script("delete", [key(job), stream, *indexes], job) for job in jobs
    ])


def idling(bench, path):
    """What workers ask while there is nothing to do."""
    stream = f"agespan:queue:{KIND}"
    take = ["XAUTOCLAIM", stream, "workers", "idle", LEASE_MS, "0-0", "COUNT", 32]
    bench.time("XAUTOCLAIM", [lambda: bench.ask(*take)] * JOBS)
    # Many that wait at the same time and are sent away again, as nearly all are: what Redis does by itself
    # in the meantime is then little beside them.
    workers = [Connection(path) for _ in range(JOBS)]
    wait = ["XREADGROUP", "GROUP", "workers", "idle", "COUNT", 1, "BLOCK", 500, "STREAMS", stream, ">"]
    before = bench.busy_seconds()
    for _ in range(5):
        for worker in workers:
            worker.send(*wait)
        for worker in workers:
            worker.answer()
    bench.remember("XREADGROUP", (bench.busy_seconds() - before) / 5 / JOBS)


def growing(bench):
    """Two calls that grow: tidying by the consumers of a stream, sweeping by the jobs in an index."""
    stream, index = f"agespan:queue:{KIND}", "agespan:index"

    def tidy(name):
        bench.time(name, [lambda: bench.script("tidy", [stream, stream], 600_000, "")] * 200)

    def sweep(name):
        bench.time(name, [lambda: bench.script("sweep", [index, index], "agespan:job:", 0, 1000)] * 200)

    consumers, listed = 500, 1000
    tidy("tidy")
    before = len(bench.ask("XINFO", "CONSUMERS", stream, "workers"))
    for number in range(consumers):
        bench.ask("XGROUP", "CREATECONSUMER", stream, "workers", f"consumer-{number}")
    tidy("tidy of many")
    sweep("sweep")
    for number in range(listed):
        bench.ask("HSET", key(number), "id", number)
        bench.ask("ZADD", index, number + 1, number)
    sweep("sweep of many")
    cost = bench.microseconds
    by_consumer = (cost.pop("tidy of many") - cost["tidy"]) / consumers
    cost["tidy"] = max(0.0, round(cost["tidy"] - before * by_consumer, 1))
    cost["tidy, each consumer"] = round(by_consumer, 3)
    cost["sweep, each job"] = round((cost.pop("sweep of many") - cost["sweep"]) / listed, 3)


def microseconds(folder):
    """What each kind of call costs, in microseconds of Redis's thread."""
    with server(folder, sync="no") as path:
        bench = Bench(path)
        for _ in range(5):
            lifetimes(bench)
            idling(bench, path)
        growing(bench)
        return bench.microseconds


def held_job(bench):
    """A job that somebody holds; the words of a call that renews its lease."""
    stream, job, worker = f"agespan:queue:{KIND}", str(uuid.uuid4()), "worker"
    keys = [key(job), stream, "agespan:index", f"agespan:index:{KIND}", "agespan:sequence"]
    bench.script("submit", keys, job, KIND, "{}", 3, "")
    read = bench.ask("XREADGROUP", "GROUP", "workers", worker, "STREAMS", stream, ">")
    entry = read[0][1][0][0]
    bench.script("claim", [key(job), stream], entry, worker, LEASE_MS, KEPT_MS, job)
    return ["EVALSHA", bench.hashes["renew"], "2", key(job), stream, job, worker, LEASE_MS]


def renewals_per_second(folder):
    """What fifty clients get that renew a lease, each answer on disk."""
    with server(folder) as path:
        words = held_job(Bench(path))
        run = ["redis-benchmark", "-s", str(path), "-c", "50", "-n", "20000", "--csv", *words]
        printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
        # The last line: what was run, answers a second, and how long they took.
        return round(float(printed.strip().splitlines()[-1].split('","')[1]))


def sync_seconds(folder):
    """What an answer waits for the disk: one client's renewals with and without."""
    waits = {}
    folder.mkdir()
    for sync in ("always", "no"):
        with server(folder / sync, sync) as path:
            bench = Bench(path)
            words = held_job(bench)
            begin = time.perf_counter()
            for _ in range(JOBS):
                bench.ask(*words)
            waits[sync] = (time.perf_counter() - begin) / JOBS
    return round(waits["always"] - waits["no"], 5)
