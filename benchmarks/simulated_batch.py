"""What a million and a billion photographs take, with slow machines and lost ones: a simulation.

Prints the tables of docs/scale.md, for a photograph that takes so many seconds of one core; `benchmarks/batch.py`
measures these, and so does `reage batch --dry-run`.
Workers take blocks of photographs as `reage batch` gives them out: whoever is free takes the next. Some workers are
slow; machines vanish, as those that are sold cheaply do, and then their block is begun again by another.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass

import click

DOLLARS_A_CORE_HOUR = 0.045
"""About the list price of a virtual core with 2 GB, on demand, from the large providers in 2025."""
DOLLARS_A_READ, DOLLARS_A_WRITE = 0.4e-6, 5e-6
"""List prices of requests to an object store."""


@dataclass(frozen=True)
class Fleet:
    """Workers of one core each."""

    workers: int
    slow: float = 0.0
    """Share of the workers that take ``slowness`` times as long."""
    slowness: float = 3.0
    lost_an_hour: float = 0.0
    """Share of the workers that vanish within an hour; another takes the place after ``restart`` seconds."""
    restart: float = 60.0


@dataclass(frozen=True)
class Run:
    """Hours until the last block, those of a fleet that never waits, and the share of the work that was done twice."""

    hours: float
    ideal: float
    twice: float

    @property
    def waiting(self) -> float:
        """The share of the time in which workers wait for the last ones, on average."""
        return 1 - self.ideal / self.hours


def simulate(
    photos: int, seconds: float, block: int, fleet: Fleet, *, spread: float = 0.3, seed: int = 0
) -> Run:
    """Age ``photos`` of ``seconds`` each, which differ by the factor ``exp(spread)`` (one standard deviation)."""
    draw = random.Random(seed)
    pace = [fleet.slowness if draw.random() < fleet.slow else 1.0 for _ in range(fleet.workers)]
    free = [(0.0, worker) for worker in range(fleet.workers)]
    heapq.heapify(free)
    again: list[float] = []  # moments at which a lost block is noticed
    left, end, wasted, rate = math.ceil(photos / block), 0.0, 0.0, fleet.lost_an_hour / 3600
    deviation = seconds * spread * math.sqrt(block)
    while left or again:
        now, worker = heapq.heappop(free)
        if left:
            left -= 1
        else:
            now = max(now, heapq.heappop(again))
        length = max(seconds, draw.gauss(block * seconds, deviation)) * pace[worker]
        life = draw.expovariate(rate) if rate else math.inf
        if life < length:
            wasted += life
            heapq.heappush(again, now + life)
            pace[worker] = fleet.slowness if draw.random() < fleet.slow else 1.0
            heapq.heappush(free, (now + life + fleet.restart, worker))
        else:
            end = max(end, now + length)
            heapq.heappush(free, (now + length, worker))
    capacity = fleet.workers * ((1 - fleet.slow) + fleet.slow / fleet.slowness)
    ideal = photos * seconds / capacity
    return Run(end / 3600, ideal / 3600, wasted / (photos * seconds))


def cost(seconds: float) -> str:
    """A row of the table of core hours and prices."""
    hours = 1e6 * seconds / 3600
    requests = 1e6 * (DOLLARS_A_READ + DOLLARS_A_WRITE)
    cells = [f"{seconds:g}", f"{hours:,.0f}", f"{hours * DOLLARS_A_CORE_HOUR:,.2f}", f"{requests:,.2f}"]
    return f"| {' | '.join(cells)} | {1000 * hours:,.0f} | {1000 * (hours * DOLLARS_A_CORE_HOUR + requests):,.0f} |"


@click.command()
@click.option("--seconds", default=0.25, show_default=True, help="Of one core, that a photograph takes.")
def main(seconds: float) -> None:
    """Print the tables."""
    print(
        "| s a photo | core hours | dollars for cores | for requests | core hours of a billion | dollars in all |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for each in sorted({0.1, seconds, 1.0}):
        print(cost(each))

    both = {"slow": 0.05, "lost_an_hour": 0.05}
    print("\n| a million on | minutes | of which waiting | done twice |")
    print("| --- | --- | --- | --- |")
    for label, fleet in (
        ("64 cores, all alike", Fleet(64)),
        ("1,024 cores, all alike", Fleet(1024)),
        ("1,024 cores, one in 20 three times as slow", Fleet(1024, slow=0.05)),
        ("1,024 cores, one in 20 lost an hour", Fleet(1024, lost_an_hour=0.05)),
        ("64 cores, both", Fleet(64, **both)),
        ("1,024 cores, both", Fleet(1024, **both)),
        ("8,192 cores, both", Fleet(8192, **both)),
    ):
        run = simulate(1_000_000, seconds, 100, fleet)
        print(f"| {label} | {60 * run.hours:.1f} | {max(0, run.waiting):.0%} | {run.twice:.2%} |")

    print(
        "\n| photos a block | minutes on 1,024 cores, both | of which waiting | done twice | blocks a second |"
    )
    print("| --- | --- | --- | --- | --- |")
    for block in (16, 100, 1000):
        run = simulate(1_000_000, seconds, block, Fleet(1024, **both))
        rate = 1e6 / block / (run.hours * 3600)
        print(
            f"| {block} | {60 * run.hours:.1f} | {max(0, run.waiting):.0%} | {run.twice:.2%} | {rate:.0f} |"
        )


if __name__ == "__main__":
    main()
