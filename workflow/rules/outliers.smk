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
