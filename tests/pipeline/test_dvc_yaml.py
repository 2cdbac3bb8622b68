"""dvc.yaml: every stage depends on just the code that it imports."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


def module_files(module: str) -> set[Path]:
    """The files that `import module` runs: the module, and the __init__ of each package above it."""
    parts = module.split(".")
    found = set()
    for depth in range(1, len(parts) + 1):
        path = ROOT.joinpath(*parts[:depth])
        found |= {file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()}
    return found


def import_closure(file: Path) -> set[Path]:
    """The files of this project that running `file` imports, itself included."""
    closure, unread = set(), {file, *module_files("stages")}
    while unread:
        closure |= unread
        imported = set()
        for source in unread:
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        unread = {found for module in imported if module.startswith("stages") for found in module_files(module)}
        unread -= closure
    return closure


def is_bare(file: Path) -> bool:
    """Whether the file holds nothing but a docstring."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)


def code_dependencies(stage: str) -> set[Path]:
    return {ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("stages")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_imports(stage: str) -> None:
    module = STAGES[stage]["cmd"].split()[2]
    closure = import_closure(ROOT / Path(*module.split(".")).with_suffix(".py"))
    dependencies = code_dependencies(stage)
    uncovered = {file for file in closure if not is_bare(file) and not {file, *file.parents} & dependencies}
    assert {str(file.relative_to(ROOT)) for file in uncovered} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_import(stage: str) -> None:
    module = STAGES[stage]["cmd"].split()[2]
    closure = import_closure(ROOT / Path(*module.split(".")).with_suffix(".py"))
    needless = {dep for dep in code_dependencies(stage) if not any({file, *file.parents} & {dep} for file in closure)}
    assert {str(dep.relative_to(ROOT)) for dep in needless} == set()


@pytest.mark.parametrize("folder", ["budgets", "item-evaluation", "quantized-evaluation", "refits"])
def test_the_report_needs_no_folder_that_is_missing_where_a_block_has_no_entries(folder: str) -> None:
    assert f"data/${{item.dataset}}/{folder}" not in STAGES["report"]["deps"]
