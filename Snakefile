# Every table and figure of the paper. The configuration says what is run:
#   snakemake --cores 2 --configfile config/quick.yaml
from snakemake.utils import min_version

min_version("9.0")

if not workflow.configfiles and "profile" not in config and "extends" not in config:

    configfile: f"{workflow.basedir}/config/quick.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/results.smk"


onstart:
    begin(
        PLAN,
        getattr(workflow.executor_plugin, "name", ""),
        log,
        needed_data(),
        needed_files(),
        logger,
    )
    # Jobs on other machines read what the run was started with, whatever becomes of its configuration meanwhile.
    workflow.config_settings.configfiles = [PATHS.profile.absolute()]
    logger.addHandler(FAILURES)


onerror:
    report_failures(PLAN, FAILURES, partial(logger.error, extra={TOLD: True}))


onsuccess:
    # The report of an earlier run, in which jobs have failed; and where the numbers of its jobs are.
    forget_partial(ROOT)
    forget_logs(ROOT)
    if Path(f"{ROOT}/report.html").is_file():
        logger.info(f"report: {ROOT}/report.html", extra={TOLD: True})


# The data are fetched where the run was started: a cluster's nodes often see no network.
localrules:
    all,
    data,
    tables,
    figures,


rule all:
    default_target: True
    input:
        RESULTS,
        PICTURES,
        PATHS.compare,
        PATHS.provenance,
        PATHS.report,


rule tables:
    input:
        RESULTS,


rule figures:
    input:
        PICTURES,
