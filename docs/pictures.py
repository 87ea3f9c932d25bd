"""Two pictures of the house, made from it: the rooms of evaluation/ and the rules of the workflow.

`make pictures` writes docs/images/rooms.png and docs/images/rules.png.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images"
Graph = Mapping[str, set[str]]  # name → names below it


def imports(file: Path) -> set[str]:
    """The modules that a file imports, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def rooms(package: str = "evaluation") -> dict[str, set[str]]:
    """Room of a package → the rooms that it imports."""
    folder = ROOT / package
    names = [path.name for path in folder.iterdir() if (path / "__init__.py").is_file()]
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for file in (folder / name).rglob("*.py"):
            above = {module.split(".")[1] for module in imports(file) if module.startswith(f"{package}.")}
            graph[name] |= {other for other in above if other in graph and other != name}
    return graph


def modules(packages: Iterable[str]) -> dict[str, set[str]]:
    """Module → the modules of these packages that it names in an import; the faces of packages are left out."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for package in packages
        for file in (ROOT / package).rglob("*.py")
        if file.name != "__init__.py"
    }
    return {name: {other for other in imports(file) if other in files} - {name} for name, file in files.items()}


def floors(graph: Graph) -> dict[str, int]:
    """Name → its floor: 1 for what stands on nothing, otherwise one above the highest below it.

    Raises:
        ValueError: a circle, by name.
    """
    done: dict[str, int] = {}

    def floor(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise ValueError(f"a circle: {' → '.join([*path[path.index(name) :], name])}")
        if name not in done:
            done[name] = 1 + max((floor(below, (*path, name)) for below in sorted(graph[name])), default=0)
        return done[name]

    for name in sorted(graph):
        floor(name, ())
    return done


def reduced(graph: Graph) -> dict[str, set[str]]:
    """The graph without arrows that a longer way says too."""

    def reached(name: str) -> set[str]:
        return graph[name].union(*(reached(below) for below in graph[name]))

    return {name: graph[name] - set().union(*(reached(below) for below in graph[name])) for name in graph}


def rules(profile: str = "config/smoke.yaml") -> dict[str, set[str]]:
    """Rule of the workflow → the rules whose results it takes."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--configfile", profile, "--config", "results=nowhere"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {number: label for number, label in re.findall(r'^\s*(\d+)\[label = "(\w+)', text, flags=re.MULTILINE)}
    graph: dict[str, set[str]] = {name: set() for name in names.values()}
    for before, after in re.findall(r"^\s*(\d+) -> (\d+)", text, flags=re.MULTILINE):
        graph[names[after]].add(names[before])
    return graph


def draw(graph: Graph, path: Path) -> None:
    """The graph with a line for each floor, arrows from above to what stands below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    graph = reduced(graph)
    of = floors(graph)
    lines = [[name for name in sorted(of) if of[name] == floor] for floor in range(1, max(of.values()) + 1)]
    widest = max(map(len, lines))
    place = {
        name: ((2 * number + 1) * widest / (2 * len(line)), floor)
        for floor, line in enumerate(lines)
        for number, name in enumerate(line)
    }
    figure, axis = plt.subplots(figsize=(1.6 * widest, 0.8 * len(lines)), layout="constrained")
    for name, below in graph.items():
        for other in below:
            arrow = {"arrowstyle": "->", "color": "0.55", "shrinkA": 12, "shrinkB": 12}
            axis.annotate("", place[other], place[name], arrowprops=arrow)
    for name, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "0.3"}
        axis.text(x, y, name.replace("_", " "), ha="center", va="center", fontsize=9, bbox=box)
    axis.set(xlim=(0, widest), ylim=(-0.6, len(lines) - 0.4))
    axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(rooms(), IMAGES / "rooms.png")
    targets = ("all", "tables", "figures")
    draw({rule: below for rule, below in rules().items() if rule not in targets}, IMAGES / "rules.png")
