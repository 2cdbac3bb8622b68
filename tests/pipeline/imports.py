"""Which files of the project a module imports, read from its text."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files_of(module: str) -> set[Path]:
    """The files that `import module` runs: the module, and the __init__ of each package above it."""
    names = module.split(".")
    files = set()
    for depth in range(1, len(names) + 1):
        path = ROOT.joinpath(*names[:depth])
        files |= {file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()}
    return files


@cache
def imported_by(source: Path) -> set[str]:
    """Modules of this project that a file names in its imports; all of a package's where it finds them by name."""
    return {module for module in named_by(source) if module.startswith("stages")}


def named_by(source: Path) -> set[str]:
    """Modules that a file names in its imports, whosever; all of a package's where it finds them by name."""
    modules = set()
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Import():
                modules |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                modules |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            case ast.Call(
                func=ast.Name(id="import_module"), args=[ast.JoinedStr(values=[ast.Constant(value="."), *_]), _]
            ):
                package = ".".join(source.relative_to(ROOT).parent.parts)
                modules |= {f"{package}.{file.stem}" for file in source.parent.glob("*.py") if file.stem != "__init__"}
    return modules


def import_closure(module: str) -> set[Path]:
    """The files of this project that running a module imports, itself included."""
    closure: set[Path] = set()
    unread = files_of(module)
    while unread:
        closure |= unread
        unread = {file for source in unread for name in imported_by(source) for file in files_of(name)} - closure
    return closure


@cache
def is_bare(file: Path) -> bool:
    """Whether the file holds nothing but a docstring."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)
