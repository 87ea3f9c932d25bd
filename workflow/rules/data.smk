rule data:
    output:
        f"{ROOT}/stamps/data/{{dataset}}.json",
    log:
        f"{ROOT}/logs/data/{{dataset}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    shell:
        "bench data {wildcards.dataset} --manifest {output} > {log} 2>&1"
