# What every run ends with: the architectures, the comparison with the paper, where the numbers come from.


rule profile:
    output:
        f"{ROOT}/profile.json",
    log:
        f"{ROOT}/logs/profile.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        content=PLAN.as_json(),
    shell:
        "printf '%s\n' {params.content:q} > {output} 2> {log}"


rule compare:
    input:
        metrics=METRICS,
        profile=f"{ROOT}/profile.json",
    output:
        page=report(
            f"{ROOT}/compare.md",
            caption="../report/compare.rst",
            category=COMPARED,
            labels={"page": "verdicts"},
        ),
        csv=f"{ROOT}/compare.csv",
    log:
        f"{ROOT}/logs/compare.log",
    benchmark:
        f"{ROOT}/benchmarks/compare.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        "bench compare --profile {input.profile} --out {output.page} > {log} 2>&1"


rule provenance:
    input:
        metrics=METRICS,
        profile=f"{ROOT}/profile.json",
    output:
        f"{ROOT}/provenance.json",
    log:
        f"{ROOT}/logs/provenance.log",
    benchmark:
        f"{ROOT}/benchmarks/provenance.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        results=lambda wildcards, output: str(Path(output[0]).parent),
    shell:
        "bench provenance --configfile {input.profile} --results {params.results} --out {output} > {log} 2>&1"


rule report_page:
    input:
        metrics=METRICS,
        figures=[figure for figure in FIGURES if figure.endswith(".png")],
        profile=f"{ROOT}/profile.json",
        provenance=f"{ROOT}/provenance.json",
    output:
        f"{ROOT}/report.html",
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    shell:
        "bench report --profile {input.profile} > {log} 2>&1"
