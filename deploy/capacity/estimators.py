"""Estimators under photos that come by chance.

Callers do not know of each other: each asks all pods in turn, and its photos come as a Poisson process. A pod
answers one photo after the other, each as long as measured under load, and keeps `room` of them at most, under
way or waiting; for more it answers RESOURCE_EXHAUSTED at once, and the simulated caller does not ask again.
"""

import collections
import dataclasses
import random


@dataclasses.dataclass(frozen=True)
class Answers:
    """What became of the photos."""

    asked: int
    answered: int
    refused: int
    under_way: int
    # Of one processor set that works all the time, in all pods.
    used: float
    # Seconds before a photo's turn, sorted.
    waits: list

    @property
    def mean_wait(self):
        return sum(self.waits) / len(self.waits)

    def wait(self, share):
        """The wait that this share of the answered photos did not exceed."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


class Pod:
    """One line before one model."""

    def __init__(self, seconds, room):
        self.seconds, self.room = seconds, room
        # When those that are in it will be answered: in order, for nobody overtakes.
        self.ends = collections.deque()

    def leave(self, now):
        """Lets those go that are answered by now, and gives their number."""
        gone = 0
        while self.ends and self.ends[0] <= now:
            self.ends.popleft()
            gone += 1
        return gone

    def join(self, now):
        """The seconds until the turn of a photo; none when it is refused."""
        if len(self.ends) >= self.room:
            return None
        begin = max(now, self.ends[-1]) if self.ends else now
        self.ends.append(begin + self.seconds)
        return begin - now


def simulate(pods, per_second, seconds, room, callers, photos, seed=1):
    """So many photos at a fleet of so many pods; `seconds` is what a pod works on one."""
    chance = random.Random(seed)
    fleet = [Pod(seconds, room) for _ in range(pods)]
    # Which pod each caller asks next.
    turns = [chance.randrange(pods) for _ in range(callers)]
    now, answered, refused, waits = 0.0, 0, 0, []
    for _ in range(photos):
        now += chance.expovariate(per_second)
        caller = chance.randrange(callers)
        pod = fleet[turns[caller]]
        turns[caller] = (turns[caller] + 1) % pods
        answered += pod.leave(now)
        wait = pod.join(now)
        if wait is None:
            refused += 1
        else:
            waits.append(wait)
    answered += sum(pod.leave(now) for pod in fleet)
    under_way = sum(len(pod.ends) for pod in fleet)
    # What is left to do at the end was not worked on yet.
    left = sum(max(0.0, pod.ends[-1] - now) for pod in fleet if pod.ends)
    used = (len(waits) * seconds - left) / (pods * now)
    return Answers(photos, answered, refused, under_way, used, sorted(waits))
