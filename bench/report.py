"""report.py FILE BASE: the median of each figure over the rounds, and of its ratio to BASE's within each round."""

import collections
import statistics
import sys

path, base = sys.argv[1:]
figures = collections.defaultdict(dict)
for line in open(path):
    number, who, what, value = line.rstrip("\n").split("\t")
    figures[what, who][number] = float(value)

for (what, who), rounds in sorted(figures.items()):
    values = list(rounds.values())
    line = f"{what:24} {who:28} {statistics.median(values):>10,.2f}  ({min(values):,.2f} to {max(values):,.2f})"
    against = figures.get((what, base), {})
    ratios = [value / against[n] for n, value in rounds.items() if against.get(n)]
    if ratios and who != base:
        line += f"   x {statistics.median(ratios):.2f} of {base} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(line)
