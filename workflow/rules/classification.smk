# Table IV: models with a classifier on top.
CLASSIFICATION_METRICS = [
    path
    for dataset in PLAN.datasets("classification")
    for path in add_outputs(METRICS, f"metrics/classification_{dataset}", ".parquet")
]


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
