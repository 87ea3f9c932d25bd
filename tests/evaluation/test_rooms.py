"""The house itself: rooms, floors, no circles, no file too long."""

from docs.pictures import ROOT, floors, imports, modules, rooms


def test_evaluation_has_few_rooms_and_floors_and_no_circle():
    graph = rooms()
    assert len(graph) <= 12
    assert max(floors(graph).values()) <= 8  # raises for a circle


def test_no_module_imports_itself_by_way_of_others():
    assert floors(modules(["evaluation", "dcgmm", "baselines", "benchmarks"]))


def test_the_plan_knows_no_tables_and_models_know_no_benchmark():
    graph = rooms()
    assert not {"results", "jobs", "cost", "cli"} & graph["plan"]
    assert not {"plan", "results", "jobs"} & (graph["models"] | graph["measures"] | graph["datasets"])
    for file in (ROOT / "dcgmm").rglob("*.py"):
        assert not any(module.split(".")[0] in ("evaluation", "baselines") for module in imports(file)), file


def test_no_file_is_too_long():
    for package in ("evaluation", "dcgmm", "baselines"):
        for file in (ROOT / package).rglob("*.py"):
            assert len(file.read_text().splitlines()) <= 350, file
