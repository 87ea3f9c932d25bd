# What every run ends with: the architectures, the comparison with the paper, where the numbers come from.
from evaluation.results.contents import ARCHITECTURES, COMPARED

ARCHITECTURE_TABLES = {FILES[name]: name for name in ARCHITECTURES}

for name in ARCHITECTURE_TABLES:
    add_outputs(TABLES, f"tables/{name}", ".csv", ".md", ".tex")


rule profile:
    output:
        f"{ROOT}/profile.json",
    log:
        f"{ROOT}/logs/profile.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        content=PLAN.as_json(),
    shell:
        "printf '%s\n' {params.content:q} > {output} 2> {log}"


rule architectures:
    output:
        csv=report(
            f"{ROOT}/tables/{{table,table_[5-8]_.+}}.csv",
            caption="../report/architectures.rst",
            category=section("table_5"),
            labels={"table": "{table}"},
        ),
        others=multiext(f"{ROOT}/tables/{{table,table_[5-8]_.+}}", ".md", ".tex"),
    log:
        f"{ROOT}/logs/tables/{{table}}.log",
    benchmark:
        f"{ROOT}/benchmarks/tables/{{table}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        name=lambda wildcards: ARCHITECTURE_TABLES[wildcards.table],
        title=PLAN.title,
    shell:
        "bench table {params.name} --title {params.title:q} --out {output.csv} > {log} 2>&1"


rule compare:
    input:
        metrics=METRICS,
        profile=f"{ROOT}/profile.json",
    output:
        page=report(
            f"{ROOT}/compare.md",
            caption="../report/compare.rst",
            category=COMPARED,
            labels={"page": "verdicts"},
        ),
        csv=f"{ROOT}/compare.csv",
    log:
        f"{ROOT}/logs/compare.log",
    benchmark:
        f"{ROOT}/benchmarks/compare.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        "bench compare --metrics {input.metrics} --configfile {input.profile} --out {output.page} > {log} 2>&1"


rule provenance:
    input:
        metrics=METRICS,
        profile=f"{ROOT}/profile.json",
    output:
        f"{ROOT}/provenance.json",
    log:
        f"{ROOT}/logs/provenance.log",
    benchmark:
        f"{ROOT}/benchmarks/provenance.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        results=lambda wildcards, output: str(Path(output[0]).parent),
    shell:
        "bench provenance --configfile {input.profile} --results {params.results} --out {output} > {log} 2>&1"


rule report_page:
    input:
        metrics=METRICS,
        figures=[figure for figure in FIGURES if figure.endswith(".png")],
        profile=f"{ROOT}/profile.json",
        provenance=f"{ROOT}/provenance.json",
    output:
        f"{ROOT}/report.html",
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    shell:
        "bench report --metrics {input.metrics} --figures {input.figures} --configfile {input.profile}"
        " --provenance {input.provenance} --out {output} > {log} 2>&1"
