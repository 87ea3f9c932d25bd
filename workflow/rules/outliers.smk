# Tables I and II, Fig. 10: the class that was left out of training against the others.
OUTLIER_METRICS = [
    path
    for dataset in PLAN.datasets("outliers")
    for path in add_outputs(METRICS, f"metrics/outliers_{dataset}", ".parquet")
]


rule outliers:
    input:
        lambda wildcards: PLAN.stamps("score", "outliers", dataset=wildcards.dataset),
    output:
        f"{ROOT}/metrics/outliers_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/outliers/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/outliers/{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        runs=lambda wildcards: PLAN.run_options("outliers", wildcards.dataset),
        scores=f"{ROOT}/scores",
    shell:
        "bench outliers --dataset {wildcards.dataset} {params.runs} --scores {params.scores} --out {output} > {log} 2>&1"


from evaluation.results.contents import gridded, outlier_tables

OUTLIER_TABLES = {FILES[name]: name for name in outlier_tables(PLAN)}
GRIDDED = {model.name: model.label for model in gridded(PLAN)}

for name in OUTLIER_TABLES:
    add_outputs(TABLES, f"tables/{name}", ".csv", ".md", ".tex")

for name in GRIDDED:
    add_outputs(FIGURES, f"figures/heat_map_{name}", ".png", ".pdf")

if PLAN.curves():
    add_outputs(FIGURES, "figures/fig_10_outlier_curves", ".png", ".pdf")


rule outlier_table:
    input:
        OUTLIER_METRICS,
    output:
        csv=report(
            f"{ROOT}/tables/{{table,table_[12]_.+}}.csv",
            caption="../report/outlier_table.rst",
            category=lambda wildcards: section(OUTLIER_TABLES[wildcards.table]),
            labels={"table": "{table}"},
        ),
        others=multiext(f"{ROOT}/tables/{{table,table_[12]_.+}}", ".md", ".tex"),
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
        table=lambda wildcards: OUTLIER_TABLES[wildcards.table],
        rows=lambda wildcards: table_options(PLAN, OUTLIER_TABLES[wildcards.table]),
        title=PLAN.title,
    shell:
        "bench table {params.table} --metrics {input} {params.rows} --title {params.title:q} --out {output.csv}"
        " > {log} 2>&1"


rule fig_10:
    input:
        lambda wildcards: PLAN.curve_stamps(),
    output:
        png=report(
            f"{ROOT}/figures/fig_10_outlier_curves.png",
            caption="../report/fig_10.rst",
            category=section("fig_10"),
            labels={"figure": "Fig. 10"},
        ),
        pdf=f"{ROOT}/figures/fig_10_outlier_curves.pdf",
    log:
        f"{ROOT}/logs/figures/fig_10.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/fig_10.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        panels=PLAN.curve_options(),
        scores=f"{ROOT}/scores",
        title=PLAN.title,
    shell:
        "bench figure fig_10 --scores {params.scores} {params.panels} --title {params.title:q} --out {output.png}"
        " > {log} 2>&1"


rule heat_map:
    input:
        OUTLIER_METRICS,
    output:
        png=report(
            f"{ROOT}/figures/heat_map_{{model}}.png",
            caption="../report/heat_map.rst",
            category=section("heat_map"),
            labels={"figure": "grid of {model}"},
        ),
        pdf=f"{ROOT}/figures/heat_map_{{model}}.pdf",
    log:
        f"{ROOT}/logs/figures/heat_map_{{model}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/heat_map_{{model}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        panel=lambda wildcards: f"{GRIDDED[wildcards.model]}={wildcards.model}",
        title=PLAN.title,
    shell:
        "bench figure heat_map --metrics {input} --panel {params.panel:q} --title {params.title:q} --out {output.png}"
        " > {log} 2>&1"
