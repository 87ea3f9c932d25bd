# Table III: a model for each class, its samples, and the classifiers that judge them.
from evaluation.results.panels import sampling_options

JUDGE = PLAN.experiments.get("judge", {})
JUDGE_SEEDS = PLAN.judge_seeds()
JUDGE_METRICS = [
    path
    for dataset in PLAN.datasets("judge")
    for path in add_outputs(METRICS, f"metrics/judge_{dataset}", ".parquet")
]


rule train_judge:
    input:
        f"{ROOT}/stamps/data/{{dataset}}.json",
    output:
        f"{ROOT}/stamps/judges/{{dataset}}/{{seed}}.json",
    log:
        f"{ROOT}/logs/judges/{{dataset}}/{{seed}}.log",
    benchmark:
        f"{ROOT}/benchmarks/judges/{{dataset}}/{{seed}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        options=PLAN.judge_options(),
        judges=f"{ROOT}/judges",
    shell:
        "bench judge --train --dataset {wildcards.dataset} --seed {wildcards.seed} {params.options}"
        " --judges {params.judges} --stamp {output} --threads {threads} --quiet > {log} 2>&1"


rule sample:
    input:
        f"{ROOT}/stamps/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    output:
        f"{ROOT}/stamps/sample/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    log:
        f"{ROOT}/logs/sample/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.log",
    benchmark:
        f"{ROOT}/benchmarks/sample/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: lambda wildcards: PLAN.threads(wildcards.variant)
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: megabytes(wildcards, attempt),
        runtime=lambda wildcards, attempt: minutes("sample", wildcards, attempt),
    params:
        runs=lambda wildcards: PLAN.own_options("sample", pack_of(wildcards)),
        n=JUDGE.get("samples", 1000),
        options=lambda wildcards: sampling_options(PLAN, wildcards.variant),
        samples=f"{ROOT}/samples",
    shell:
        "bench sample --trained {input} {params.runs} --n {params.n} {params.options} --out {params.samples}"
        " --stamp {output} --threads {threads} > {log} 2>&1"


rule judge:
    input:
        samples=lambda wildcards: PLAN.stamps(
            "sample", "judge", dataset=wildcards.dataset
        ),
        judges=lambda wildcards: [
            f"{ROOT}/stamps/judges/{wildcards.dataset}/{seed}.json"
            for seed in JUDGE_SEEDS
        ],
    output:
        f"{ROOT}/metrics/judge_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/judge/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/judge/{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        runs=lambda wildcards: PLAN.run_options("judge", wildcards.dataset),
        samples=f"{ROOT}/samples",
        judges=lambda wildcards: [
            f"{ROOT}/judges/{wildcards.dataset}/seed{seed}" for seed in JUDGE_SEEDS
        ],
    shell:
        "bench judge --dataset {wildcards.dataset} {params.runs} --samples-dir {params.samples} --judge {params.judges}"
        " --out {output} --threads {threads} > {log} 2>&1"
