"""Draws the measurements of scale.py: python3 benches/plot.py scale.csv > docs/scale.svg

Each line is a measure divided by the same one at the fewest listings, on logarithmic axes. What grows no worse than n log n stays below
the dashed line.
"""

import csv
import math
import sys

LINES = {
    "load": ("first load", "#4269d0"),
    "reconcile": ("reconcile", "#d65f5f"),
    "status": ("status", "#b8860b"),
    "once": ("open, poll, close", "#3ca951"),
    "poll": ("poll, 200 changes", "#a463f2"),
    "idle_poll": ("poll, no change", "#e377c2"),
    "changed_listings": ("query of changed listings", "#8c6d52"),
    "peak_mib": ("peak memory", "#7f7f7f"),
}
LEFT, TOP, WIDTH, HEIGHT = 70, 30, 520, 400
LOWEST, HIGHEST = -1, 4  # decades


def main():
    with open(sys.argv[1]) as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    sizes = [row["listings"] for row in rows]
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def place(listings, ratio):
        x = LEFT + WIDTH * (math.log10(listings) - first) / (last - first)
        y = TOP + HEIGHT * (HIGHEST - math.log10(ratio)) / (HIGHEST - LOWEST)
        return f"{x:.1f},{y:.1f}"

    def text(x, y, words, rest=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" fill="#808080" {rest}>{words}</text>'

    def line(points, colour, rest=""):
        return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" {rest}/>'

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 490" font-family="sans-serif" font-size="13">']
    for decade in range(LOWEST, HIGHEST + 1):
        ends = [place(size, 10**decade) for size in (sizes[0], sizes[-1])]
        out.append(line(ends, "#808080", 'stroke-opacity="0.3"'))
        out.append(text(LEFT - 8, float(ends[0].split(",")[1]) + 4, f"{10.0**decade:,g}", 'text-anchor="end"'))
    for size in sizes:
        x = float(place(size, 1).split(",")[0])
        out.append(line([place(size, 10**LOWEST), place(size, 10**HIGHEST)], "#808080", 'stroke-opacity="0.15"'))
        if size in (sizes[0], sizes[-1]) or math.log10(size).is_integer():
            out.append(text(x, TOP + HEIGHT + 20, f"{size:,.0f}", 'text-anchor="middle"'))
    out.append(text(LEFT + WIDTH / 2, TOP + HEIGHT + 42, "listings in the file", 'text-anchor="middle"'))
    middle = TOP + HEIGHT / 2
    out.append(text(18, middle, f"times as much as at {sizes[0]:,.0f} listings", f'text-anchor="middle" transform="rotate(-90 18 {middle})"'))

    bound = [size * math.log(size) / (sizes[0] * math.log(sizes[0])) for size in sizes]
    labels = [(bound[-1], "n log n", "#808080")]
    out.append(line(map(place, sizes, bound), "#808080", 'stroke-dasharray="6 4"'))
    for column, (name, colour) in LINES.items():
        ratios = [row[column] / rows[0][column] for row in rows]
        out.append(line(map(place, sizes, ratios), colour, 'stroke-width="2"'))
        labels.append((ratios[-1], name, colour))
    below = TOP
    for ratio, name, colour in sorted(labels, reverse=True):  # Names stand beside the ends of their lines, and never on each other.
        x, y = map(float, place(sizes[-1], ratio).split(","))
        below = max(y + 4, below + 16)
        out.append(f'<text x="{x + 8:.1f}" y="{below:.1f}" fill="{colour}">{name}</text>')
    print("\n".join([*out, "</svg>"]))


main()
