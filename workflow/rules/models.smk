# From data to what models make. One job is about a variant of a model on a data set, for some subsets of classes and
# some seeds; its name says which, and `bench` looks everything else up in the run's profile.json.


rule data:
    output:
        f"{ROOT}/stamps/data/{{dataset}}.json",
    log:
        f"{ROOT}/logs/data/{{dataset}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    shell:
        "bench data {wildcards.dataset} --manifest {output} > {log} 2>&1"


rule train:
    input:
        ASKED.data,
    output:
        f"{ROOT}/stamps/{{stage,train}}/{{job}}.json",
    log:
        f"{ROOT}/logs/{{stage}}/{{job}}.log",
    benchmark:
        f"{ROOT}/benchmarks/{{stage}}/{{job}}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: ASKED.threads
    resources:
        gpu=ASKED.gpu,
        mem_mb=ASKED.megabytes,
        runtime=ASKED.minutes,
    params:
        command=ASKED.command,
        variant=ASKED.variant,
        settings=ASKED.settings,
    shell:
        f"bench {{params.command}} {BENCH} {{wildcards.job}} --threads {{threads}} > {{log}} 2>&1"


use rule train as score with:
    input:
        ASKED.trained,
    output:
        f"{ROOT}/stamps/{{stage,score}}/{{job}}.json",


use rule score as sample with:
    output:
        f"{ROOT}/stamps/{{stage,sample|grid_plain|grid_sharpened}}/{{job}}.json",


use rule score as inpaint with:
    output:
        f"{ROOT}/stamps/{{stage,inpaint}}/{{job}}.json",


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
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        how=ASKED.judging,
    shell:
        f"bench judge --train {BENCH} --dataset {{wildcards.dataset}} --seed {{wildcards.seed}} --threads {{threads}}"
        " > {log} 2>&1"
