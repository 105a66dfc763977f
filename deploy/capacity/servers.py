"""What all generators share: one Redis and one store. Each serves in the order in which it is asked."""

import collections


# What changes nothing, and so waits for no disk.
READS = {"HGET", "HMGET", "PING", "XREADGROUP", "XAUTOCLAIM"}


class Redis:
    """One thread that works off what has come, syncs once to the disk where anything was written, and answers.

    What comes meanwhile is worked off together afterwards. A caller asks one thing after another and waits for
    each answer.
    """

    def __init__(self, figures):
        self.seconds = {kind: cost / 1e6 for kind, cost in figures.redis_microseconds.items()}
        self.round_trip, self.sync = figures.redis_round_trip_seconds, figures.sync_seconds
        # Of the turn that runs, and of what has come for the next.
        self.ends, self.next_work, self.next_syncs = 0.0, 0.0, False
        self.busy, self.calls = 0.0, collections.Counter()

    def ask(self, now, calls, extra=0.0):
        """When the last answer of these calls is there: numbers by kind. `extra` is work beside, in seconds."""
        work, number_of_all, writes = extra, 0, 0
        for kind, number in calls.items():
            work += self.seconds[kind] * number
            number_of_all += number
            writes += 0 if kind in READS else number
            self.calls[kind] += number
        self.busy += work
        answered = self.turn(now, work, writes > 0)
        # Each write of one caller is another turn.
        return answered + max(0, writes - 1) * self.sync + number_of_all * self.round_trip

    def turn(self, now, work, syncs):
        if now >= self.ends:
            # What had come for the next turn was worked off since.
            self.ends += self.next_work + self.sync * self.next_syncs
            self.next_work, self.next_syncs = 0.0, False
        if now >= self.ends:
            self.ends = now + work + self.sync * syncs
            return self.ends
        self.next_work += work
        self.next_syncs |= syncs
        return self.ends + self.next_work + self.sync * self.next_syncs


class Store:
    """A line of some bandwidth, behind which every request takes its time."""

    def __init__(self, figures):
        self.seconds_of_byte = 8 / (figures.store_gbit_per_second * 1e9)
        self.of_one = 8 / (figures.node_gbit_per_second * 1e9)
        self.request = figures.store_request_seconds
        self.free_at, self.busy = 0.0, 0.0

    def move(self, now, size, requests):
        """When so many bytes in so many requests, one after another, are through."""
        work = size * self.seconds_of_byte
        self.free_at = max(now, self.free_at) + work
        self.busy += work
        # One node is not faster than its own line, however idle the store is.
        return max(self.free_at, now + size * self.of_one) + requests * self.request
