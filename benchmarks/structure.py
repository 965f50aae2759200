"""The structure of the installed packages in figures: ``python benchmarks/structure.py``.

Run in the tree that is asked about; a tree of before needs an environment of its own. Printed are the files directly in each
package, circles of modules that import each other, the arrows between its rooms, and the longest chain of our own classes
that a model stands on.
"""

from __future__ import annotations

from collections import Counter

import grimp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from distaff.model.registry import model_class, names

PACKAGES = ("distaff", "distaff_data", "distaff_graph", "distaff_timeseries", "distaff_dashboards")


def circles(imports: dict[str, set[str]]) -> int:
    """Return how many groups of two or more modules need each other."""
    place = {module: i for i, module in enumerate(imports)}
    arrows = np.array([(place[a], place[b]) for a, others in imports.items() for b in others])
    matrix = csr_array((np.ones(len(arrows)), (arrows[:, 0], arrows[:, 1])), shape=(len(place), len(place)))
    _, group = connected_components(matrix, connection="strong")
    return int((np.bincount(group) > 1).sum())


def main() -> None:
    """Print the figures."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    files = Counter(module.rpartition(".")[0] for module in graph.modules if not graph.find_children(module))
    for package in PACKAGES:
        rooms = {
            (a.split(".")[1], b.split(".")[1])
            for a, others in imports.items()
            for b in others
            if a.startswith(f"{package}.") and b.startswith(f"{package}.") and a.split(".")[1] != b.split(".")[1]
        }
        print(f"{package:20} {files[package]:3} files directly in it, {len(rooms):4} arrows between its rooms")
    print(f"{circles(imports)} circles of modules")
    longest = max(
        (sum(c.__module__.startswith("distaff") for c in model_class(name).__mro__), name) for name in names()
    )
    print(f"longest chain of our classes: {longest[0]}, of {longest[1]}")


if __name__ == "__main__":
    main()
