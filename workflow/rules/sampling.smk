# Figs. 5, 6, 9, 11, 12, 13: samples, of DCGMMs without and with sharpening, and of all models; Fig. 14: the visual alphabet.
from evaluation.results.panels import (
    picture_inputs,
    picture_options,
    pictures,
    sampling_options,
    shown_dataset,
)

PICTURES = {FILES[figure]: figure for figure in pictures(PLAN)}

for name in PICTURES:
    add_outputs(FIGURES, f"figures/{name}", ".png", ".pdf")


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


rule picture:
    input:
        lambda wildcards: picture_inputs(PLAN, PICTURES[wildcards.name]),
    output:
        png=report(
            f"{ROOT}/figures/{{name,fig_(5|6|9|11|12|13|14)_.+}}.png",
            caption="../report/pictures.rst",
            category=lambda wildcards: section(PICTURES[wildcards.name]),
            labels={"figure": "{name}"},
        ),
        pdf=f"{ROOT}/figures/{{name,fig_(5|6|9|11|12|13|14)_.+}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{name}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{name}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        figure=lambda wildcards: PICTURES[wildcards.name],
        panels=lambda wildcards: picture_options(PLAN, PICTURES[wildcards.name]),
        dataset=lambda wildcards: shown_dataset(PLAN, PICTURES[wildcards.name]),
        title=PLAN.title,
    shell:
        "bench figure {params.figure} {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"
