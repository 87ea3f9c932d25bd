# Every table and figure of the paper. The configuration says what is run:
#   snakemake --cores 2 --configfile config/quick.yaml
from snakemake.utils import min_version

min_version("9.0")

if "profile" not in config:

    configfile: "config/quick.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/outliers.smk"
include: "workflow/rules/dynamics.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/sampling.smk"
include: "workflow/rules/inpainting.smk"
include: "workflow/rules/classification.smk"
include: "workflow/rules/outputs.smk"
include: "workflow/rules/report.smk"


onstart:
    hold(ROOT, log)
    record(PLAN.config, ROOT)
    require(needed_data(workflow.dag))
    follow(PLAN, logger)
    logger.addHandler(FAILURES)


onerror:
    report_failures(PLAN, FAILURES, partial(logger.error, extra={TOLD: True}))


onsuccess:
    # The report of an earlier run, in which jobs have failed.
    shutil.rmtree(f"{ROOT}/{PARTIAL}", ignore_errors=True)
    if Path(f"{ROOT}/report.html").is_file():
        logger.info(f"report: {ROOT}/report.html", extra={TOLD: True})


# The data are fetched where the run was started: a cluster's nodes often see no network.
localrules:
    all,
    data,
    tables,
    figures,
    profile,


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        f"{ROOT}/compare.md",
        f"{ROOT}/provenance.json",
        f"{ROOT}/report.html",


rule tables:
    input:
        TABLES,


rule figures:
    input:
        FIGURES,
