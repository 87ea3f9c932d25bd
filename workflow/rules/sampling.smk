# Figs. 5 to 7, 9, 11 to 13: samples, of DCGMMs without and with sharpening, and of all models.
from evaluation.results.panels import sampling_options


rule sample_grid:
    input:
        f"{ROOT}/stamps/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    output:
        f"{ROOT}/stamps/grid_{{setting,plain|sharpened}}/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    log:
        f"{ROOT}/logs/grid_{{setting}}/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.log",
    benchmark:
        f"{ROOT}/benchmarks/grid_{{setting}}/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: lambda wildcards: PLAN.threads(wildcards.variant)
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: megabytes(wildcards, attempt),
        runtime=lambda wildcards, attempt: minutes(
            f"grid_{wildcards.setting}", wildcards, attempt
        ),
    params:
        runs=lambda wildcards: PLAN.own_options(
            f"grid_{wildcards.setting}", pack_of(wildcards)
        ),
        options=lambda wildcards: sampling_options(
            PLAN, wildcards.variant, wildcards.setting
        ),
        n=PLAN.experiments.get("sampling", {}).get("images", 100),
        samples=lambda wildcards: f"{ROOT}/grids/{wildcards.setting}",
    shell:
        "bench sample --trained {input} {params.runs} --n {params.n} {params.options} --out {params.samples}"
        " --stamp {output} --threads {threads} > {log} 2>&1"
