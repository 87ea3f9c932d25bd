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


OUTLIER_TABLES = {
    "table_1_outliers_dcgmm": "table_1",
    "table_1_outlier_classes": "outlier_classes",
    "table_2_outliers_models": "table_2",
    "table_2_grid": "grid",
}

if not PLAN.rows("outliers", family="dcgmm"):
    del OUTLIER_TABLES["table_1_outliers_dcgmm"]
if not PLAN.several_classes():
    del OUTLIER_TABLES["table_1_outlier_classes"]

for name in OUTLIER_TABLES if OUTLIER_METRICS else ():
    add_outputs(TABLES, f"tables/{name}", ".csv", ".md", ".tex")

if PLAN.curves():
    add_outputs(FIGURES, "figures/fig_10_outlier_curves", ".png", ".pdf")


rule outlier_table:
    input:
        OUTLIER_METRICS,
    output:
        csv=report(
            f"{ROOT}/tables/{{table,table_[12]_.+}}.csv",
            caption="../report/outlier_table.rst",
            category="Outlier detection",
            labels={"table": "{table}"},
        ),
        others=multiext(f"{ROOT}/tables/{{table,table_[12]_.+}}", ".md", ".tex"),
    log:
        f"{ROOT}/logs/tables/{{table}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        table=lambda wildcards: OUTLIER_TABLES[wildcards.table],
        rows=lambda wildcards: PLAN.row_options(
            "outliers",
            family="dcgmm" if wildcards.table == "table_1_outliers_dcgmm" else None,
        ),
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
            category="Outlier detection",
        ),
        pdf=f"{ROOT}/figures/fig_10_outlier_curves.pdf",
    log:
        f"{ROOT}/logs/figures/fig_10.log",
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
