"""One set of versions: pyproject.toml, requirements.lock and the conda file agree."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = CHECKOUT / "requirements.lock"


def script(name: str) -> ModuleType:
    """The script envs/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "envs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins() -> dict[str, str]:
    lines = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def unmet(requirements: list[str], extra: str = "") -> list[str]:
    """Those requirements, as far as their markers apply here, that the lock does not satisfy."""
    locked = pins()
    missing = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{requirement}: the lock has {version}")
    return missing


def test_lock_holds_pins_only():
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            # No address, no path, no editable line, no local version such as +cpu.
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.]+", line), line


def test_lock_satisfies_pyproject():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["project"]["optional-dependencies"]
    extras = [requirement for name in ("suite", "dev") for requirement in groups[name]]
    assert unmet(project["project"]["dependencies"] + extras + project["build-system"]["requires"]) == []


def test_lock_is_complete():
    """Nothing that a locked package requires is left to pip's choice."""
    missing = {}
    for name in pins():
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed: this is not the locked environment")
        # The CUDA libraries of PyTorch's default build are its own affair: its CPU builds do not ask for them.
        missing[name] = [text for text in unmet(requirements) if not re.match(r"nvidia-|triton|cuda-", text)]
    assert {name: found for name, found in missing.items() if found} == {}


def test_unmet_notices():
    assert unmet(["numpy<2"]) and unmet(["no-such-package"])
    assert unmet(["no-such-package; python_version < '3'"]) == []


def test_conda_file_is_made_from_the_lock():
    conda = script("make_conda")
    assert conda.CONDA.read_text(encoding="utf-8") == conda.conda_text(LOCK.read_text(encoding="utf-8"))
    pip_list = yaml.safe_load(conda.CONDA.read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
    assert {canonicalize_name(name): version for name, version in (pin.split("==") for pin in pip_list)} == pins()


def test_lock_lines_leave_out_what_is_local():
    freeze = "-e /somewhere\ntorch==2.13.0+cpu\nAbc==1.0\npip==25.0\nours @ file:///here\n# Editable install\n"
    assert script("make_lock").lock_lines(freeze) == ["Abc==1.0", "torch==2.13.0"]
