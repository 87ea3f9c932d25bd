# Table IV: models with a classifier on top.
CLASSIFICATION_METRICS = [
    path
    for dataset in PLAN.datasets("classification")
    for path in add_outputs(METRICS, f"metrics/classification_{dataset}", ".parquet")
]

if CLASSIFICATION_METRICS:
    add_outputs(TABLES, "tables/table_4_classification", ".csv", ".md", ".tex")


rule classification:
    input:
        lambda wildcards: PLAN.stamps(
            "train", "classification", dataset=wildcards.dataset
        ),
    output:
        f"{ROOT}/metrics/classification_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/classification/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/classification/{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        runs=lambda wildcards: PLAN.run_options("classification", wildcards.dataset),
    shell:
        "bench classify --trained {input} {params.runs} --out {output} --threads {threads} > {log} 2>&1"


rule table_4:
    input:
        CLASSIFICATION_METRICS,
    output:
        csv=report(
            f"{ROOT}/tables/table_4_classification.csv",
            caption="../report/table_4.rst",
            category=section("table_4"),
            labels={"table": "Table IV"},
        ),
        others=multiext(f"{ROOT}/tables/table_4_classification", ".md", ".tex"),
    log:
        f"{ROOT}/logs/tables/table_4.log",
    benchmark:
        f"{ROOT}/benchmarks/tables/table_4.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        rows=table_options(PLAN, "table_4"),
        title=PLAN.title,
    shell:
        "bench table table_4 --metrics {input} {params.rows} --title {params.title:q} --out {output.csv} > {log} 2>&1"
