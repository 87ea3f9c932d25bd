# Fig. 8, and the completions measured with four masks and both variants, as a table.
INPAINTING_METRICS = [
    path
    for dataset in PLAN.datasets("inpainting")
    for path in add_outputs(METRICS, f"metrics/inpainting_{dataset}", ".parquet")
]


rule inpaint:
    input:
        f"{ROOT}/stamps/train/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
    output:
        stamp=f"{ROOT}/stamps/inpaint/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.json",
        metrics=f"{ROOT}/completions/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.parquet",
    log:
        f"{ROOT}/logs/inpaint/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.log",
    benchmark:
        f"{ROOT}/benchmarks/inpaint/{{dataset}}/{{variant}}/{{subsets}}/{{seeds}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: lambda wildcards: PLAN.threads(wildcards.variant)
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: megabytes(wildcards, attempt),
        runtime=lambda wildcards, attempt: minutes("inpaint", wildcards, attempt),
    params:
        runs=lambda wildcards: PLAN.own_options("inpaint", pack_of(wildcards)),
        options=lambda wildcards: sampling_options(PLAN, wildcards.variant),
        images=PLAN.experiments.get("inpainting", {}).get("images", 1000),
        completions=lambda wildcards, output: Path(output.metrics).parents[3],
    shell:
        "bench inpaint --trained {input} {params.runs} --images {params.images} {params.options}"
        " --completions {params.completions} --out {output.metrics} --stamp {output.stamp} --threads {threads} > {log} 2>&1"


rule inpainting:
    input:
        lambda wildcards: [
            stamp.replace("stamps/inpaint", "completions", 1).replace(
                ".json", ".parquet"
            )
            for stamp in PLAN.stamps(
                "inpaint", "inpainting", dataset=wildcards.dataset
            )
        ],
    output:
        f"{ROOT}/metrics/inpainting_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/inpainting/{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/inpainting/{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        "bench inpaint --join {input} --out {output} > {log} 2>&1"
