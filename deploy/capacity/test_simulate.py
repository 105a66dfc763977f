"""The simulation held to theory, to what was counted, and to common sense: python -m unittest."""

import collections
import heapq
import unittest
import xml.etree.ElementTree as xml

import estimators
import page
from figures import Figures
from generators import Farm, Job, Kind, from_zero, steady
from servers import Redis
from simulate import Plan, kind, printed

FIGURES = Figures.of_file()
SMALL = kind(FIGURES, "cpu")
# Nothing but drawing takes time.
IDEAL = FIGURES.replaced(
    redis_round_trip_seconds=0, store_request_seconds=0, store_gbit_per_second=1e9, node_gbit_per_second=1e9,
    sync_seconds=0, redis_microseconds=dict.fromkeys(FIGURES.redis_microseconds, 0), deaths_per_generator_hour=0,
)
SECOND = Kind(1.0, 1.0, 1, 1, 0, 0)


def fleet(pods=1, load=0.7, photos=100_000, room=320, callers=1000, seed=1, seconds=1 / 445):
    return estimators.simulate(pods, load * pods / seconds, seconds, room, callers, photos, seed)


class Estimators(unittest.TestCase):
    def test_waits_of_one_pod_are_those_of_theory(self):
        # Pollaczek and Khinchine for services of one length: rho / (2 (1 - rho)) services.
        for load in (0.3, 0.7, 0.9):
            theory = load / (2 * (1 - load)) / 445
            found = [fleet(load=load, seed=seed).mean_wait for seed in range(5)]
            mean = sum(found) / len(found)
            self.assertAlmostEqual(mean / theory, 1, delta=0.05, msg=f"{load}: {found}")

    def test_many_callers_that_take_turns_are_a_poisson_process_for_each_pod(self):
        theory = 0.7 / (2 * 0.3) / 445
        self.assertAlmostEqual(fleet(pods=5, callers=2000).mean_wait / theory, 1, delta=0.1)
        # One caller that takes turns evens them out.
        self.assertLess(fleet(pods=5, callers=1).mean_wait, theory / 2)

    def test_no_photo_is_lost_or_answered_twice(self):
        for load in (0.5, 1.0, 2.0):
            for pods in (1, 3):
                found = fleet(pods, load, 20_000, room=5)
                self.assertEqual(found.asked, found.answered + found.refused + found.under_way)
                self.assertEqual(len(found.waits), found.answered + found.under_way)

    def test_what_is_too_much_is_refused_and_waits_are_bounded_by_the_line(self):
        found = fleet(load=1.5)
        self.assertAlmostEqual(found.refused / found.asked, 1 - 1 / 1.5, delta=0.01)
        self.assertAlmostEqual(found.used, 1, delta=0.01)
        self.assertLessEqual(found.waits[-1], 320 / 445 + 1e-9)

    def test_what_is_used_is_what_was_asked_for(self):
        for load in (0.2, 0.6):
            self.assertAlmostEqual(fleet(pods=4, load=load).used, load, delta=0.01)

    def test_more_pods_never_make_anybody_wait_longer(self):
        waits = [
            estimators.simulate(pods, 1000, 1 / 445, 320, 32, 50_000).mean_wait for pods in (3, 4, 6, 10)
        ]
        self.assertEqual(waits, sorted(waits, reverse=True))


class Generators(unittest.TestCase):
    def job(self, pods, images, figures=IDEAL, of=SECOND, jobs=1):
        """The seconds of jobs on pods that are there already."""
        farm = Farm(figures, of)
        for _ in range(jobs):
            farm.submit(Job(images))
        for _ in range(pods):
            farm.order_pod()
        farm.run(lambda: all(job.ended_at is not None for job in farm.jobs))
        for job in farm.jobs:
            self.assertEqual(job.drawn, images)
        return farm.now

    def test_every_image_is_drawn_once_though_pods_die(self):
        often = FIGURES.replaced(deaths_per_generator_hour=60)
        for pods in (1, 7):
            self.job(pods, 300, often, SMALL, jobs=2)

    def test_shards_are_those_of_the_product(self):
        # Plan::new(24), (200), (1025) and (100_000) in services/diffusion-generator/src/job.rs.
        for images, shards in ((24, 24), (200, 67), (1025, 65), (100_000, 6250)):
            job = Job(images)
            count = 0
            while job.left:
                job.next_shard()
                count += 1
            self.assertEqual(count, shards)

    def test_without_overheads_one_pod_takes_as_long_as_its_images(self):
        self.assertAlmostEqual(self.job(1, 640) / 640, 1, delta=0.01)
        # Ten shards a pod; the dealer's quarter of a second at the end.
        self.assertAlmostEqual(self.job(64, 10_240) / 160, 1, delta=0.05)

    def test_more_pods_never_make_a_job_slower(self):
        calm = FIGURES.replaced(deaths_per_generator_hour=0)
        times = [self.job(pods, 1500, calm, SECOND) for pods in (1, 2, 5, 20, 64, 100)]
        # Which images are drawn again falls otherwise each time.
        self.assertTrue(all(more < 1.01 * fewer for fewer, more in zip(times, times[1:])), times)

    def test_more_pods_draw_more(self):
        speeds = [steady(FIGURES, SMALL, pods, 8, shards=4).images_per_second for pods in (1, 4, 16, 64)]
        self.assertEqual(speeds, sorted(speeds))

    def test_one_job_keeps_no_more_pods_busy_than_it_has_shards_open(self):
        ahead = FIGURES.shards_ahead
        found = steady(IDEAL, SECOND, 2 * ahead, 1)
        self.assertTrue(found.window_full)
        self.assertLessEqual(found.images_per_second, ahead)
        self.assertGreater(found.images_per_second, 0.9 * ahead)

    def test_redis_is_as_busy_as_its_calls_cost(self):
        cost = FIGURES.redis_microseconds
        farm = Farm(FIGURES, SMALL)
        farm.submit(Job(200))
        for _ in range(4):
            farm.order_pod()
        farm.run(100)
        by_call = sum(cost[name] * number for name, number in farm.redis.calls.items()) / 1e6
        growing = farm.redis.busy - by_call
        self.assertGreaterEqual(growing, -1e-9)
        self.assertLess(growing, 0.05 * 100)

    def test_a_slow_redis_slows_everything_down(self):
        slow = {name: 1000 * cost for name, cost in FIGURES.redis_microseconds.items()}
        found = steady(FIGURES.replaced(redis_microseconds=slow), SMALL, 64, 2, shards=4)
        usual = steady(FIGURES, SMALL, 64, 2, shards=4)
        self.assertLess(found.images_per_second, 0.7 * usual.images_per_second)
        self.assertGreater(found.redis, 0.95)

    def test_pods_come_as_fast_as_the_autoscaler_lets_them(self):
        never = FIGURES.replaced(deaths_per_generator_hour=0)
        found = from_zero(never, Kind(10, 1, 1, 1, 600, 0), 1000, 1, 2000)
        by_time = collections.Counter(found.farm.ordered_at)
        # One by KEDA, then four more, then twice as many, and no more than there are open shards.
        self.assertEqual([by_time[15 * step] for step in range(1, 7)], [1, 4, 5, 10, 20, 24])
        self.assertEqual(found.most_pods, FIGURES.shards_ahead)

    def test_more_pods_are_never_later(self):
        times = [from_zero(FIGURES, SMALL, most, 4, 3000).seconds for most in (1, 4, 16, 64)]
        self.assertTrue(all(more < 1.01 * fewer for fewer, more in zip(times, times[1:])), times)


class Counted(unittest.TestCase):
    """A job of the real system, of which every call to Redis was counted (measure.py), simulated again."""

    def simulated(self):
        counted, images = FIGURES.job_seconds, FIGURES.job_images
        of = Kind(FIGURES.cpu_draw_seconds, FIGURES.cpu_draws, 1, 1, 0, 0)
        # Store and Redis are on the same machine.
        near = FIGURES.replaced(redis_round_trip_seconds=0.0001, store_request_seconds=0, deaths_per_generator_hour=0)
        farm = Farm(near, of)
        farm.order_pod()
        farm.run(0.0)
        farm.redis.calls.clear()
        farm.submit(Job(images))
        farm.run(lambda: farm.jobs[0].ended_at is not None)
        self.assertAlmostEqual(farm.now / counted, 1, delta=0.1)
        calls = farm.redis.calls
        # Whether a read brings something is no other call.
        calls["XREADGROUP"] += calls.pop("read")
        return calls

    def test_calls_are_as_many_as_were_counted(self):
        calls, counted = self.simulated(), FIGURES.job_calls
        for name in ("submit", "claim", "succeed", "delete", "checkpoint"):
            self.assertAlmostEqual(calls[name], counted[name], delta=2 + 0.05 * counted[name], msg=name)
        for name in ("renew", "progress", "HGET", "HMGET", "XREADGROUP", "PING"):
            # Beats begin with a shard in the system, and go through in the simulation: of shards that take a
            # hair more or less than whole seconds, some beats and ends fall together in one and not in the other.
            self.assertAlmostEqual(calls[name] / counted[name], 1, delta=0.25, msg=f"{name}: {calls} {counted}")
        self.assertAlmostEqual(calls.total() / sum(counted.values()), 1, delta=0.1)

    def test_fifty_clients_get_as_many_answers_as_were_measured(self):
        redis, events, answers = Redis(FIGURES.replaced(redis_round_trip_seconds=0)), [0.0] * 50, 0
        while events[0] < 5:
            heapq.heapreplace(events, redis.ask(events[0], {"renew": 1}))
            answers += 1
        # The client of that measurement had the other processor, and work of its own.
        self.assertAlmostEqual(answers / 5 / FIGURES.renewals_per_second, 1, delta=0.5)

    def test_a_pod_without_a_job_asks_as_often_as_was_counted(self):
        farm = Farm(FIGURES, SMALL)
        farm.order_pod()
        # Not its start.
        farm.run(120)
        before = farm.redis.calls.total()
        farm.run(420)
        found = (farm.redis.calls.total() - before) / 300
        self.assertAlmostEqual(found / sum(FIGURES.idle_calls_per_second.values()), 1, delta=0.1)


def small(figures):
    plan = Plan(figures, photos=2000, images=100, pods=(1, 3, 5), wakes=((1, 4),), shards=2)
    # The prices are of 64 pods; that is much for a test.
    plan.pods_of_prices = 3
    return plan.tables()


class Printed(unittest.TestCase):
    def test_the_same_figures_give_the_same_tables(self):
        self.assertEqual(printed(small(FIGURES), FIGURES), printed(small(FIGURES), FIGURES))

    def test_what_changes_with_an_assumption_says_so(self):
        usual = small(FIGURES)
        for name, entry in FIGURES.sections["assumed"].items():
            changed = small(FIGURES.replaced(**{name: entry["value"] * 3}))
            for before, after in zip(usual, changed):
                for place, column in enumerate(before.columns):
                    moved = [row[place] for row in before.rows] != [row[place] for row in after.rows]
                    said = name in column.rests_on
                    self.assertTrue(said or not moved, f"{before.key}: {column.name} hangs on {name}")

    def test_a_star_stands_where_something_is_assumed(self):
        text = printed(small(FIGURES), FIGURES)
        self.assertIn("images/h *", text)
        self.assertNotIn("photos/s *", text)

    def test_figures_that_are_not_known_are_refused(self):
        with self.assertRaisesRegex(ValueError, "no figure is named pods"):
            FIGURES.replaced(pods=3)

    def test_the_page_is_whole_and_fetches_nothing(self):
        tables = small(FIGURES)
        drawn = xml.fromstring(page.svg(tables))
        width, height = map(float, drawn.get("viewBox").split()[2:])
        for circle in drawn.iter("{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(0 < float(circle.get("cx")) < width and 0 < float(circle.get("cy")) < height)
        whole = page.html(tables, FIGURES)
        for word in ("src=", "href=", "url(", "@import", "<script"):
            self.assertNotIn(word, whole)

    def test_tables_are_put_where_they_belong(self):
        text = "before\n" + page.BEGIN + "old\n" + page.END + "\nafter\n"
        self.assertEqual(page.with_tables(text, "new\n"), text.replace("old", "new"))
        with self.assertRaises(ValueError):
            page.with_tables("nothing", "new\n")


if __name__ == "__main__":
    unittest.main()
