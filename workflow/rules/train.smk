# One job trains a variant of a model on a data set, for the subsets of classes and the seeds in its name.


rule train:
    input:
        f"{ROOT}/stamps/data/{{dataset}}.json",
    output:
        f"{ROOT}/stamps/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    log:
        f"{ROOT}/logs/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: lambda wildcards: PLAN.threads(wildcards.variant)
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: megabytes(wildcards, attempt),
        runtime=lambda wildcards, attempt: minutes("train", wildcards, attempt),
    params:
        what=lambda wildcards: PLAN.train_options(wildcards.variant),
        subsets=lambda wildcards: wildcards.subsets.replace("-", " "),
        seeds=lambda wildcards: wildcards.seeds.replace("-", " "),
        models=f"{ROOT}/models",
    shell:
        "bench train {params.what} --dataset {wildcards.dataset} --subset {params.subsets} --seed {params.seeds}"
        " --models {params.models} --stamp {output} --threads {threads} --quiet > {log} 2>&1"


rule score:
    input:
        f"{ROOT}/stamps/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    output:
        f"{ROOT}/stamps/score/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    log:
        f"{ROOT}/logs/score/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.log",
    benchmark:
        f"{ROOT}/benchmarks/score/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: lambda wildcards: PLAN.threads(wildcards.variant)
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: megabytes(wildcards, attempt),
        runtime=lambda wildcards, attempt: minutes("score", wildcards, attempt),
    params:
        runs=lambda wildcards: PLAN.own_options("score", pack_of(wildcards)),
        scores=f"{ROOT}/scores",
    shell:
        "bench score --trained {input} {params.runs} --out {params.scores} --stamp {output} --threads {threads} > {log} 2>&1"
