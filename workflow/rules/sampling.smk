# Figs. 5, 9, 12, 13: samples, without and with sharpening; Fig. 14: the visual alphabet.
from evaluation.pictures import (
    picture_inputs,
    picture_options,
    pictures,
    sampling_options,
)

PICTURES = pictures(PLAN)
PICTURE_FILES = {
    "fig_5": "fig_5_sharpening",
    "fig_9": "fig_9_sharpening",
    "fig_12": "fig_12_samples",
    "fig_13": "fig_13_samples",
    "fig_14": "fig_14_centroids",
    "fig_7": "fig_7_svhn",
    "fig_8": "fig_8_inpainting",
}

for figure in PICTURES:
    add_outputs(FIGURES, f"figures/{PICTURE_FILES[figure]}", ".png", ".pdf")


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
        mem_mb=lambda wildcards, attempt: PLAN.mem_mb(wildcards.variant, attempt),
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        options=lambda wildcards: sampling_options(
            PLAN, wildcards.variant, wildcards.setting
        ),
        n=PLAN.experiments.get("sampling", {}).get("images", 100),
        samples=lambda wildcards: f"{ROOT}/grids/{wildcards.setting}",
    shell:
        "bench sample --trained {input} --n {params.n} {params.options} --out {params.samples} --stamp {output}"
        " --threads {threads} > {log} 2>&1"


rule fig_5:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_5"),
    output:
        png=report(
            f"{ROOT}/figures/fig_5_sharpening.png",
            caption="../report/pictures.rst",
            category="Samples",
            labels={"figure": "fig_5"},
        ),
        pdf=f"{ROOT}/figures/fig_5_sharpening.pdf",
    log:
        f"{ROOT}/logs/figures/fig_5.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_5"),
        title=PLAN.title,
        figure="fig_5",
    shell:
        "bench figure fig_5 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"


rule fig_9:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_9"),
    output:
        png=report(
            f"{ROOT}/figures/fig_9_sharpening.png",
            caption="../report/pictures.rst",
            category="Samples",
            labels={"figure": "fig_9"},
        ),
        pdf=f"{ROOT}/figures/fig_9_sharpening.pdf",
    log:
        f"{ROOT}/logs/figures/fig_9.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_9"),
        title=PLAN.title,
        figure="fig_9",
    shell:
        "bench figure fig_9 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"


rule fig_12:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_12"),
    output:
        png=report(
            f"{ROOT}/figures/fig_12_samples.png",
            caption="../report/pictures.rst",
            category="Samples",
            labels={"figure": "fig_12"},
        ),
        pdf=f"{ROOT}/figures/fig_12_samples.pdf",
    log:
        f"{ROOT}/logs/figures/fig_12.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_12"),
        title=PLAN.title,
        figure="fig_12",
    shell:
        "bench figure fig_12 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"


rule fig_13:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_13"),
    output:
        png=report(
            f"{ROOT}/figures/fig_13_samples.png",
            caption="../report/pictures.rst",
            category="Samples",
            labels={"figure": "fig_13"},
        ),
        pdf=f"{ROOT}/figures/fig_13_samples.pdf",
    log:
        f"{ROOT}/logs/figures/fig_13.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_13"),
        title=PLAN.title,
        figure="fig_13",
    shell:
        "bench figure fig_13 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"


rule fig_14:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_14"),
    output:
        png=report(
            f"{ROOT}/figures/fig_14_centroids.png",
            caption="../report/pictures.rst",
            category="Samples",
            labels={"figure": "fig_14"},
        ),
        pdf=f"{ROOT}/figures/fig_14_centroids.pdf",
    log:
        f"{ROOT}/logs/figures/fig_14.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_14"),
        title=PLAN.title,
        figure="fig_14",
    shell:
        "bench figure fig_14 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"
