"""The package as it is published: an sdist, the wheel made of it, and the whole story from outside the tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"distaff", "distaff_data", "distaff_graph", "distaff_timeseries", "distaff_dashboards"}

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DISTAFF_WORKSPACE")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr  # steps are told on the latter


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and in ``wheel`` the wheel made of it and of nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    (sdist,) = folder.glob("*.tar.gz")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")
    run(*pip, "--no-build-isolation", "-w", folder / "wheel", sdist, cwd=folder)
    return folder


def names(built: Path) -> set[str]:
    (wheel,) = (built / "wheel").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_has_every_module_of_the_tree_and_nothing_else(built: Path) -> None:
    roots = [ROOT / name for name in ("platform", "graph", "timeseries", "dashboards", "data")]
    tree = {
        str(file.relative_to(root))
        for root in roots
        for package in PACKAGES
        for file in (root / package).rglob("*")
        if file.suffix in (".py", ".pyi", ".typed") or file.name == "py.typed"
    }
    inside = {name for name in names(built) if Path(name).parts[0] in PACKAGES}
    assert tree <= inside, sorted(tree - inside)
    others = {Path(name).parts[0] for name in names(built)} - PACKAGES
    assert all(name.endswith(".dist-info") for name in others), others


def test_the_sdist_has_what_a_packager_needs_and_no_workspace(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "tests/conftest.py"} <= inside
    assert not [name for name in inside if name.split("/")[0] in ("workspace", ".ci", ".venv", ".git", "site")]


def test_the_whole_story_runs_from_the_wheel_outside_the_tree(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment")
    # What it needs is borrowed from here; a path in a .pth file is no site, so that this tree's own links are not followed.
    site = next((tmp_path / "environment").glob("lib/python*/site-packages"))
    (site / "shared.pth").write_text(sysconfig.get_paths()["purelib"])
    python = tmp_path / "environment" / "bin" / "python"
    (wheel,) = (built / "wheel").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", wheel, cwd=tmp_path)
    place = run(
        python, "-c", "import distaff, distaff_graph; print(distaff.__file__, distaff_graph.__file__)", cwd=tmp_path
    )
    assert place.count(str(site)) == 2
    distaff = tmp_path / "environment" / "bin" / "distaff"
    story = run(distaff, "--workspace", tmp_path / "story", "demo", cwd=tmp_path)
    assert "6. top-10 lists of 1500 users published" in story
    assert "plait" in run(distaff, "--workspace", tmp_path / "story", "board", "planted-interactions", cwd=tmp_path)
