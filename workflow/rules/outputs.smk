# Every table and figure: what they are is in evaluation/results/outputs.py, what they wait for follows from the plan.
for file in items(PLAN, TABLE):
    add_outputs(TABLES, f"tables/{file}", ".csv", ".md", ".tex")

for file in items(PLAN, FIGURE):
    add_outputs(FIGURES, f"figures/{file}", ".png", ".pdf")


rule table:
    input:
        lambda wildcards: made_from(wildcards.table),
        profile=f"{ROOT}/profile.json",
    output:
        csv=report(
            f"{ROOT}/tables/{{table}}.csv",
            caption="../report/output.rst",
            category=lambda wildcards: ITEMS[wildcards.table].section,
            labels=lambda wildcards: {"table": ITEMS[wildcards.table].title()},
        ),
        others=multiext(f"{ROOT}/tables/{{table}}", ".md", ".tex"),
    log:
        f"{ROOT}/logs/tables/{{table}}.log",
    benchmark:
        f"{ROOT}/benchmarks/tables/{{table}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        caption=lambda wildcards: ITEMS[wildcards.table].caption(PLAN),
    shell:
        "bench table {wildcards.table} --profile {input.profile} > {log} 2>&1"


rule figure:
    input:
        lambda wildcards: made_from(wildcards.figure),
        profile=f"{ROOT}/profile.json",
    output:
        png=report(
            f"{ROOT}/figures/{{figure}}.png",
            caption="../report/output.rst",
            category=lambda wildcards: ITEMS[wildcards.figure].section,
            labels=lambda wildcards: {"figure": ITEMS[wildcards.figure].title()},
        ),
        pdf=f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        caption=lambda wildcards: ITEMS[wildcards.figure].caption(PLAN),
    shell:
        "bench figure {wildcards.figure} --profile {input.profile} > {log} 2>&1"
