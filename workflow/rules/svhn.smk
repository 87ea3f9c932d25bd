# Fig. 7: colour images. SVHN needs {train,test}_32x32.mat in $BENCH_DATA/svhn (docs/data.md); the rule `data` fetches
# them, or says what to put where. Smoke runs use patches of scikit-learn's photographs.


rule fig_7:
    input:
        lambda wildcards: picture_inputs(PLAN, "fig_7"),
    output:
        png=report(
            f"{ROOT}/figures/fig_7_svhn.png",
            caption="../report/pictures.rst",
            category=section("fig_7"),
            labels={"figure": "Fig. 7"},
        ),
        pdf=f"{ROOT}/figures/fig_7_svhn.pdf",
    log:
        f"{ROOT}/logs/figures/fig_7.log",
    benchmark:
        f"{ROOT}/benchmarks/figures/fig_7.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        panels=lambda wildcards: picture_options(PLAN, "fig_7"),
        dataset=lambda wildcards: shown_dataset(PLAN, "fig_7"),
        title=PLAN.title,
        figure="fig_7",
    shell:
        "bench figure fig_7 {params.panels} --title {params.title:q} --out {output.png} > {log} 2>&1"
