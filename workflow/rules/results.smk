# From what models have made to metrics, tables, figures and pages. Which there are: evaluation/results/outputs.py.
MEGABYTES = {"judge": 3000, "classification": 2000}  # others: 1000
MINUTES = {"outliers": 30, "judge": 120, "classification": 30}


rule measure:
    input:
        ASKED.measured_from,
    output:
        f"{ROOT}/metrics/{{experiment}}_{{dataset}}.parquet",
    log:
        f"{ROOT}/logs/measure/{{experiment}}_{{dataset}}.log",
    benchmark:
        f"{ROOT}/benchmarks/measure/{{experiment}}_{{dataset}}.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: MEGABYTES.get(wildcards.experiment, 1000)
        * attempt,
        runtime=lambda wildcards, attempt: MINUTES.get(wildcards.experiment, 10)
        * attempt,
    params:
        trainings=ASKED.trainings,
    shell:
        f"bench measure {{wildcards.experiment}} {{wildcards.dataset}} {BENCH} --threads {{threads}}"
        " > {log} 2>&1"


rule table:
    input:
        lambda wildcards: ASKED.made_from(TABLES[wildcards.table]),
    output:
        csv=report(
            f"{ROOT}/tables/{{table}}.csv",
            caption="../report/output.rst",
            category=lambda wildcards: TABLES[wildcards.table].section,
            labels=lambda wildcards: {"table": TABLES[wildcards.table].title()},
        ),
        others=multiext(f"{ROOT}/tables/{{table}}", ".md", ".tex"),
    log:
        f"{ROOT}/logs/tables/{{table}}.log",
    benchmark:
        f"{ROOT}/benchmarks/tables/{{table}}.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        caption=lambda wildcards: TABLES[wildcards.table].caption(PLAN),
        profile=digest(PLAN.config),
    shell:
        f"bench table {{wildcards.table}} {BENCH} > {{log}} 2>&1"


rule figure:
    input:
        lambda wildcards: ASKED.made_from(FIGURES[wildcards.figure]),
    output:
        png=report(
            f"{ROOT}/figures/{{figure}}.png",
            caption="../report/output.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].section,
            labels=lambda wildcards: {"figure": FIGURES[wildcards.figure].title()},
        ),
        pdf=f"{ROOT}/figures/{{figure}}.pdf",
    log:
        f"{ROOT}/logs/figures/{{figure}}.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/{{figure}}.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        caption=lambda wildcards: FIGURES[wildcards.figure].caption(PLAN),
        profile=digest(PLAN.config),
    shell:
        f"bench figure {{wildcards.figure}} {BENCH} > {{log}} 2>&1"


rule compare:
    input:
        METRICS,
    output:
        page=report(
            PATHS.compare,
            caption="../report/compare.rst",
            category="The paper's numbers and ours",
            labels={"page": "verdicts"},
        ),
        csv=f"{ROOT}/compare.csv",
    log:
        f"{ROOT}/logs/compare.log",
    benchmark:
        f"{ROOT}/benchmarks/compare.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        profile=digest(PLAN.config),
    shell:
        f"bench compare {BENCH} --out {{output.page}} > {{log}} 2>&1"


rule provenance:
    input:
        METRICS,
    output:
        PATHS.provenance,
    log:
        f"{ROOT}/logs/provenance.log",
    benchmark:
        f"{ROOT}/benchmarks/provenance.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        profile=digest(PLAN.config),
    shell:
        f"bench provenance {BENCH} > {{log}} 2>&1"


rule report_page:
    input:
        METRICS,
        [PATHS.figure(file) for file in FIGURES],
        PATHS.provenance,
    output:
        PATHS.report,
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        profile=digest(PLAN.config),
    shell:
        f"bench report {BENCH} > {{log}} 2>&1"
