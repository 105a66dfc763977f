"""Generators that draw jobs in shards, as services/diffusion-generator/src/worker and shared/jobs do.

* `Farm`: the events. `steady` keeps a number of pods busy for a while; `from_zero` gives jobs to a farm of none and
  lets KEDA and the HorizontalPodAutoscaler start pods.
* `Job`: a dealer that keeps up to 64 shards open, looks at them and replaces those that are drawn.
* `Pod`: a painter that claims a shard, draws its images and stores them; beats once a second; asks for work.

Left out: fine-tunings, cancellations, what a dealer's own death costs, and that pods share nodes.
"""

import collections
import dataclasses
import heapq
import itertools
import math
import random

from servers import Redis, Store


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is drawn by what."""

    draw_seconds: float
    # Draws of an image, on average, until it shows one face.
    draws: float
    image_bytes: int
    pipeline_bytes: int
    # From an order to a process that runs, and from its files to the first step.
    start_seconds: float
    load_seconds: float


class Job:
    """A generation job and its dealer. Without a number of images it never ends."""

    def __init__(self, images, follow=True):
        self.images, self.follow = images, follow
        # As Plan::new has it.
        self.size = 16 if images is None else min(max(images // 64, 1), 16)
        self.left = math.inf if images is None else images
        self.open, self.ended_shards, self.drawn = 0, 0, 0
        self.revision, self.has_news, self.ended_at = 0, False, None

    def next_shard(self):
        size = min(self.size, self.left)
        self.left -= size
        self.open += 1
        return [self, size]


class Pod:
    """A process that works."""

    def __init__(self):
        # None while it has nothing to draw.
        self.shard = None
        self.ready, self.alive, self.seen = False, True, 0
        self.reclaimed_at = self.tidied_at = -math.inf
        self.drawn_seconds = 0.0


class Farm:
    """All pods and jobs, and the clock."""

    def __init__(self, figures, kind, seed=1):
        self.figures, self.kind, self.chance = figures, kind, random.Random(seed)
        self.redis, self.store = Redis(figures), Store(figures)
        self.now, self.events, self.order = 0.0, [], itertools.count()
        self.waiting, self.idle = collections.deque(), collections.deque()
        self.pods, self.jobs, self.drawn_at = [], [], []
        self.deaths, self.ordered_at, self.ready_at = 0, [], []

    def at(self, when, what, *arguments):
        heapq.heappush(self.events, (when, next(self.order), what, arguments))

    def run(self, until):
        """Until a moment, or until a condition holds."""
        is_over = until if callable(until) else lambda: self.events[0][0] > until
        while self.events and not is_over():
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)

    # Jobs and their dealers.

    def submit(self, job):
        self.jobs.append(job)
        self.redis.ask(self.now, {"submit": 1, "HMGET": 1, "read": 1, "claim": 1})
        self.look(job)
        self.beat_of_dealer(job)
        self.followed(job)

    def look(self, job):
        """Deals out what there is room for, looks at what is open, and again a quarter of a second later."""
        dealt = 0
        while job.open < self.figures.shards_ahead and job.left > 0:
            self.offer(job.next_shard())
            dealt += 1
        ended, job.ended_shards = job.ended_shards, 0
        calls = {"submit": dealt, "HMGET": dealt + job.open + ended, "delete": ended}
        if ended:
            calls["checkpoint"] = 1
        if job.has_news or dealt:
            job.has_news = False
            job.revision += 1
            calls["progress"] = 1
        job.open -= ended
        if job.open == 0 and job.left <= 0:
            calls["succeed"] = 1
            job.ended_at = self.redis.ask(self.now, calls)
        else:
            self.at(self.redis.ask(self.now, calls) + self.figures.look_seconds, self.look, job)

    def beat_of_dealer(self, job):
        if job.ended_at is None:
            self.redis.ask(self.now, {"renew": 1})
            self.at(self.now + self.figures.beat_seconds, self.beat_of_dealer, job)

    def followed(self, job):
        """A caller takes the images as they come, and hears of progress: looks each fifth of a second."""
        if job.ended_at is None and job.follow:
            answered = self.redis.ask(self.now, {"HMGET": 1, "HGET": 1})
            self.at(answered + self.figures.watch_seconds, self.followed, job)

    # Shards.

    def offer(self, shard, in_front=False):
        (self.waiting.appendleft if in_front else self.waiting.append)(shard)
        while self.waiting and self.idle:
            pod = self.idle.popleft()
            if pod.alive and pod.ready and pod.shard is None:
                self.take(pod)

    def take(self, pod):
        """The way from the end of a shard to the next one."""
        calls, extra = self.upkeep(pod)
        if not self.waiting:
            self.redis.ask(self.now, calls, extra)
            self.idle.append(pod)
            return
        pod.shard = self.waiting.popleft()
        pod.seen = pod.shard[0].revision
        # The entry, the claim, the generation job, what it asks for, and the first look at it.
        calls.update({"read": 1, "claim": 1, "HMGET": 2, "HGET": 1})
        self.at(self.redis.ask(self.now, calls, extra), self.draw, pod)

    def upkeep(self, pod):
        """What a worker does before it reads, when it is time."""
        calls, extra = collections.Counter(), 0.0
        if self.now - pod.tidied_at >= self.figures.tidy_seconds:
            pod.tidied_at, extra = self.now, self.tidying()
            calls.update({"tidy": 1, "sweep": 2})
        if self.now - pod.reclaimed_at >= self.figures.lease_seconds / 5:
            pod.reclaimed_at = self.now
            calls.update({"XAUTOCLAIM": 1})
        return calls, extra

    def tidying(self):
        """What grows: a tidying with the consumers of its stream, a sweep with the jobs that it looks at."""
        cost = self.redis.seconds
        listed = min(self.figures.jobs_listed, self.figures.sweep_part)
        return len(self.pods) * cost["tidy, each consumer"] + 2 * listed * cost["sweep, each job"]

    def draw(self, pod):
        """One image, in as many draws as it takes."""
        again = 1 - 1 / self.kind.draws
        draws = 1
        while again and draws < self.figures.most_draws and self.chance.random() < again:
            draws += 1
        seconds = draws * self.kind.draw_seconds
        dies_in = self.dies_in()
        if dies_in < seconds:
            self.at(self.now + dies_in, self.die, pod)
        else:
            self.at(self.now + seconds, self.keep, pod, seconds)

    def dies_in(self):
        rate = self.figures.deaths_per_generator_hour / 3600
        return self.chance.expovariate(rate) if rate else math.inf

    def keep(self, pod, seconds):
        """Stores an image: whether it is there, its file, its record. Who follows the job fetches it as well."""
        job = pod.shard[0]
        pod.drawn_seconds += seconds
        size = self.kind.image_bytes + self.figures.record_bytes
        stored = self.store.move(self.now, size, self.figures.store_requests_per_image)
        if job.follow:
            self.store.move(self.now, size, 0)
        self.at(stored, self.kept, pod)

    def kept(self, pod):
        job = pod.shard[0]
        job.drawn += 1
        job.has_news = True
        self.drawn_at.append(self.now)
        pod.shard[1] -= 1
        if pod.shard[1] > 0:
            self.draw(pod)
            return
        pod.shard = None
        ended = self.redis.ask(self.now, {"progress": 1, "succeed": 1})
        job.ended_shards += 1
        self.at(ended, self.take, pod)

    def die(self, pod):
        """Its shard waits until its lease is over; the images that it has drawn are there."""
        self.deaths += 1
        pod.alive = False
        self.pods.remove(pod)
        taken = self.now + self.figures.lease_seconds * self.figures.take_over_leases
        self.at(taken, self.offer, pod.shard, True)
        self.order_pod()

    # Pods.

    def order_pod(self):
        self.ordered_at.append(self.now)
        pod = Pod()
        self.pods.append(pod)
        self.at(self.now + self.kind.start_seconds, self.fetch, pod)

    def fetch(self, pod):
        fetched = self.store.move(self.now, self.kind.pipeline_bytes, 1)
        self.at(fetched + self.kind.load_seconds, self.begin, pod)
        self.beat(pod)
        self.idle_loops(pod)

    def begin(self, pod):
        pod.ready = True
        self.ready_at.append(self.now)
        self.take(pod)

    def beat(self, pod):
        """What a second brings: a ping, two queues that are waited at in vain, and the third or a lease to renew."""
        if not pod.alive:
            return
        each_second = round(self.figures.beat_seconds / self.figures.block_seconds)
        calls = {"PING": 1, "XREADGROUP": 2 * each_second}
        if pod.shard is None:
            calls["XREADGROUP"] += each_second
        else:
            job = pod.shard[0]
            job.has_news = True
            looks = round(self.figures.beat_seconds / self.figures.watch_seconds)
            news, pod.seen = max(0, job.revision - pod.seen), job.revision
            calls |= {"renew": 1, "progress": 1, "HGET": looks, "HMGET": min(looks, news)}
        self.redis.ask(self.now, calls)
        self.at(self.now + self.figures.beat_seconds, self.beat, pod)

    def idle_loops(self, pod):
        """Queues that nothing comes from are looked after all the same: two, or three while it has no shard."""
        if not pod.alive:
            return
        queues, period = 2 + (pod.shard is None), self.figures.lease_seconds / 5
        self.redis.ask(self.now, {"XAUTOCLAIM": queues})
        # By chance, so that a thousand pods do not tidy up at the same moment.
        if self.chance.random() < period / self.figures.tidy_seconds:
            self.redis.ask(self.now, {"tidy": queues, "sweep": 2 * queues}, queues * self.tidying())
        self.at(self.now + period, self.idle_loops, pod)

    # KEDA and the HorizontalPodAutoscaler.

    def scale(self, most):
        """One decision: the largest of what each trigger asks for, at most twice as many as there are or four more."""
        running = sum(pod.shard is not None for pod in self.pods)
        followed = sum(job.ended_at is None for job in self.jobs)
        wanted = max(
            math.ceil(len(self.waiting) / self.figures.shards_per_generator), running,
            math.ceil(followed / self.figures.generations_per_generator),
        )
        there = len(self.pods)
        if there == 0:
            reached = min(1, wanted)
        elif wanted <= there * (1 + self.figures.scale_tolerance):
            reached = there
        else:
            reached = min(most, wanted, max(2 * there, there + 4))
        for _ in range(max(0, reached - there)):
            self.order_pod()
        self.at(self.now + self.figures.scale_seconds, self.scale, most)


@dataclasses.dataclass(frozen=True)
class Pace:
    """What a number of pods reaches that have enough to do."""

    images_per_second: float
    # Of what as many pods would draw that never wait.
    share: float
    # Of the pods' time that was spent drawing; of Redis's thread; of the store's line.
    drawing: float
    redis: float
    store: float
    calls_per_second: float
    # Whether all shards that may be open were taken.
    window_full: bool


def steady(figures, kind, pods, jobs, shards=12, seed=1):
    """So many pods on so many endless jobs, for so many shards each after some to warm up."""
    farm = Farm(figures, kind, seed)
    of_shard = 16 * kind.draw_seconds * kind.draws
    for _ in range(pods):
        pod = Pod()
        # They have been there for a while: nothing happens to all of them at once.
        pod.tidied_at = -farm.chance.random() * figures.tidy_seconds
        farm.pods.append(pod)
        farm.at(farm.chance.random(), farm.beat, pod)
        farm.at(farm.chance.random() * figures.lease_seconds / 5, farm.idle_loops, pod)
        farm.at(farm.chance.random() * of_shard, farm.begin, pod)
    for _ in range(jobs):
        farm.at(farm.chance.random() * figures.look_seconds, farm.submit, Job(None))
    begin, end = 4 * of_shard, (4 + shards) * of_shard
    farm.run(begin)
    before = (farm.redis.busy, farm.store.busy, farm.redis.calls.total(), len(farm.drawn_at))
    spent = sum(pod.drawn_seconds for pod in farm.pods)
    farm.run(end)
    after = (farm.redis.busy, farm.store.busy, farm.redis.calls.total(), len(farm.drawn_at))
    redis, store, calls, images = ((now - then) / (end - begin) for now, then in zip(after, before))
    drawing = (sum(pod.drawn_seconds for pod in farm.pods) - spent) / (pods * (end - begin))
    return Pace(
        images, images * kind.draw_seconds * kind.draws / pods, drawing, redis, store, calls,
        not farm.waiting and len(farm.idle) > 0,
    )


@dataclasses.dataclass(frozen=True)
class Burst:
    """What becomes of jobs that find no pods."""

    first_image_seconds: float
    # When the last pod that came in time could draw.
    last_pod_seconds: float
    seconds: float
    most_pods: int
    # From each pod's order to the end, and the time that pods are kept after it.
    pod_seconds: float
    # Of those, what was spent drawing.
    drawn_share: float
    farm: Farm


def from_zero(figures, kind, most, jobs, images, seed=1):
    """Jobs of so many images each, all at once, by pods that KEDA and the autoscaler order."""
    farm = Farm(figures, kind, seed)
    for _ in range(jobs):
        farm.submit(Job(images))
    # The longest that nobody looks at the queues.
    farm.at(figures.scale_seconds, farm.scale, most)
    farm.run(lambda: all(job.ended_at is not None for job in farm.jobs))
    end = max(job.ended_at for job in farm.jobs)
    paid = sum(end - ordered for ordered in farm.ordered_at) + len(farm.pods) * figures.idle_seconds
    drawn = len(farm.drawn_at) * kind.draw_seconds * kind.draws
    return Burst(farm.drawn_at[0], farm.ready_at[-1], end, len(farm.pods), paid, drawn / paid, farm)
