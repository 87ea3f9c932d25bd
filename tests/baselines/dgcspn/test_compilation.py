"""Where compiled kernels are kept."""

from baselines.dgcspn import compilation


def test_kernels_are_kept_below_the_folder_of_compiled_programs(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_COMPILED", str(tmp_path / "kept"))
    folder = compilation.code_folder()
    assert folder is not None and folder.parent == tmp_path / "kept" and folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("BENCH_COMPILED")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = compilation.code_folder()
    assert folder is not None and folder.parent == tmp_path / "cache" / "dcgmm-benchmark" / "compiled"


def test_nothing_is_kept_where_that_is_not_wanted_or_not_possible(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_COMPILED", "off")
    assert compilation.code_folder() is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCH_COMPILED", str(tmp_path / "file"))
    assert compilation.code_folder() is None


def test_other_sources_have_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_COMPILED", str(tmp_path))
    folder = compilation.code_folder()
    monkeypatch.setattr(compilation, "SOURCES", compilation.SOURCES[1:])
    assert compilation.code_folder() != folder


def test_all_files_with_kernels_count_as_sources():
    package = compilation.Path(compilation.__file__).parent
    with_kernels = {file.stem for file in package.glob("*.py") if "@kernel" in file.read_text()}
    assert with_kernels and with_kernels <= set(compilation.SOURCES)
