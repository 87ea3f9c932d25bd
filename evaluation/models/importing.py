"""Import paths "package.module:Name": whether they exist, and what they name."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError


def import_object(path: str) -> Any:
    """What "package.module:Name" names; the working directory is searched too, for a user's own model.

    Raises:
        UserError: malformed path, module or name that does not exist.
    """
    module_name, name = _parts(path)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise UserError(f"factory {path!r}: there is no module {error.name!r}") from error
        raise
    if not hasattr(module, name):
        raise UserError(f"factory {path!r}: module {module_name!r} has no {name!r}")
    found = getattr(module, name)
    if not callable(found):
        raise UserError(f"factory {path!r} is {found!r}, which is no class; give the import path of one")
    return found


def check_object(path: str) -> None:
    """Refuse an import path whose module or name does not exist, without running the module.

    Raises:
        UserError: as `import_object`, as far as the module's text tells.
    """
    module_name, name = _parts(path)
    try:
        found = importlib.util.find_spec(module_name)
        if module_name == "__main__":  # found where Python was started with -m
            raise ValueError(module_name)
    except ModuleNotFoundError as error:
        raise UserError(f"factory {path!r}: there is no module {error.name!r}") from error
    except ValueError as error:
        raise UserError(f"factory {path!r}: {module_name!r} is no module that other processes can import") from error
    if found is None:
        raise UserError(f"factory {path!r}: there is no module {module_name!r}")
    if found.origin is None or not found.origin.endswith(".py"):
        return  # a compiled module: only running it tells
    try:
        names = _names(ast.parse(Path(found.origin).read_bytes()))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"factory {path!r}: {found.origin} cannot be read as Python: {error}") from error
    if name not in names and not names & {"*", "__getattr__"}:
        raise UserError(f"factory {path!r}: module {module_name!r} has no {name!r}")


def _parts(path: str) -> tuple[str, str]:
    module_name, colon, name = path.partition(":")
    if not (colon and all(part.isidentifier() for part in (*module_name.split("."), name))):
        raise UserError(f"factory {path!r} is not an import path; write it as package.module:Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return module_name, name


def _names(tree: ast.AST) -> set[str]:
    """Whatever the text of a module gives a name, wherever it stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
