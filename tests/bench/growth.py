"""Times answers over what they grow with: growth.py AGESPAN BENCH_SERVING PHOTO PLOT.svg

Photos a second by the size of a batch, by the number of callers and by the size of the photo, each
with one server on one core, one server on more cores, and as many replicas with a core each, which the
client asks in turn. The client runs on the servers' cores, and what it takes of them is told. Writes
the plot, and the figures as JSON beside it.
"""

import contextlib
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

import growth_plot
import machine
import photos
import server

SECONDS, WARM_UP, MOST_CORES = 3, 1, 3
BATCHES, CALLERS = (1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8, 16, 32, 64, 128)
SIZES = ((640, 480), (1280, 960), (2048, 1536), (2832, 2124), photos.TWELVE_MEGAPIXELS)
# Of batches and of large photos: enough to keep every replica busy.
BATCH_CALLERS, PHOTO_CALLERS = 4, 16


def settings():
    """(replicas, cores of each), the single core first."""
    most = min(len(machine.cores()), MOST_CORES)
    more = range(2, most + 1)
    return [(1, 1)] + [(1, cores) for cores in more] + [(replicas, 1) for replicas in more]


def named(replicas, cores):
    servers = "1 replica" if replicas == 1 else f"{replicas} replicas"
    return f"{servers} on {cores} core{'s' if cores > 1 else ''}" + (" each" if replicas > 1 else "")


@contextlib.contextmanager
def started(agespan, photo, replicas, cores):
    """The replicas, and the cores that they have."""
    free, options = machine.cores(), [*server.ESTIMATOR, "--model-threads", str(cores)]
    with contextlib.ExitStack() as stack:
        parts = [free[first : first + cores] for first in range(0, replicas * cores, cores)]
        servers = [stack.enter_context(server.Server(agespan, photo, *options, cores=part)) for part in parts]
        yield servers, sum(parts, [])


def client_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loaded(bench, servers, cores, photo, way, callers):
    """What the client says, and the shares of the cores that it and the servers took."""
    urls = ",".join(running.url for running in servers)
    command = [bench, urls, photo, way, str(callers), str(SECONDS)]
    command = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    client, served = client_seconds(), sum(running.seconds() for running in servers)
    found = json.loads(subprocess.check_output(command))
    all_seconds = (SECONDS + WARM_UP) * len(cores)
    found["client_share"] = (client_seconds() - client) / all_seconds
    found["server_share"] = (sum(running.seconds() for running in servers) - served) / all_seconds
    return found


def measure(agespan, bench, made, setting):
    """Figures by grid, then by place in it, of one setting."""
    (_, photo), *_ = made
    found = {"batch": {}, "callers": {}, "pixels": {}}
    with started(agespan, photo, *setting) as (servers, cores):
        ask = lambda photo, way, callers: loaded(bench, servers, cores, photo, way, callers)
        # The first requests of all fill pools.
        ask(photo, "single", PHOTO_CALLERS)
        for batch in BATCHES:
            found["batch"][batch] = ask(photo, f"batch:{batch}", BATCH_CALLERS)
        for callers in CALLERS:
            found["callers"][callers] = ask(photo, "single", callers)
        for pixels, large in made:
            found["pixels"][pixels] = ask(large, "single", PHOTO_CALLERS)
    return found


def make(photo, folder):
    """(Pixels, file) of the photo as it is and enlarged."""
    made = [(photos.pixels(photo), photo)]
    for size in SIZES:
        file = pathlib.Path(folder, f"{size[0]}.jpg")
        file.write_bytes(photos.enlarged(photo, size))
        made.append((photos.pixels(file), str(file)))
    return made


def table(title, grid, found):
    print(f"\n{title:24}" + "".join(f"{named(*setting):>28}" for setting in found))
    for at in next(iter(found.values()))[grid]:
        label = f"{at / 1e6:.2f}" if grid == "pixels" else str(at)
        print(f"{label:24}" + "".join(f"{figures[grid][at]['photos']:28.1f}" for figures in found.values()))


def best(figures):
    """Most single requests a second."""
    return max(seen["photos"] for seen in figures["callers"].values())


def told(found):
    for grid, title in growth_plot.GRIDS.items():
        table(title, grid, found)
    alone = best(found[1, 1])
    print()
    for setting, figures in found.items():
        shares = [seen["client_share"] for grid in figures.values() for seen in grid.values()]
        print(
            f"{named(*setting):24} at most {best(figures):6.1f} single requests a second,"
            f" {best(figures) / alone:.2f}x the first; the client took {min(shares):.0%} to {max(shares):.0%} of the cores"
        )


def main(agespan, bench, photo, plot):
    about = f"{machine.described()}, shared with the client"
    print(f"photos a second, {SECONDS} seconds each; {about}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = make(photo, folder)
        found = {setting: measure(agespan, bench, made, setting) for setting in settings()}
    told(found)
    figures = {named(*setting): grids for setting, grids in found.items()}
    pathlib.Path(plot).with_suffix(".json").write_text(json.dumps({"machine": about, "settings": figures}, indent=1))
    peaks = {setting: best(grids) for setting, grids in found.items()}
    pathlib.Path(plot).write_text(growth_plot.drawn(about, figures, peaks))


if __name__ == "__main__":
    main(*sys.argv[1:])
