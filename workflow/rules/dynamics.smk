# Fig. 4: test loss of every layer over training time.
DYNAMICS_METRICS = [
    path
    for dataset in PLAN.datasets("dynamics")
    for path in add_outputs(METRICS, f"metrics/dynamics_{dataset}", ".parquet")
]


rule dynamics:
    input:
        lambda wildcards: PLAN.stamps("train", "dynamics", dataset=wildcards.dataset),
    output:
        f"{ROOT}/metrics/dynamics_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/dynamics/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/dynamics/{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        runs=lambda wildcards: PLAN.run_options("dynamics", wildcards.dataset),
        models=f"{ROOT}/models",
    shell:
        "bench dynamics --dataset {wildcards.dataset} {params.runs} --models {params.models} --out {output} > {log} 2>&1"
