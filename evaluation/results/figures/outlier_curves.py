"""Fig. 10: inliers kept against outliers rejected, a ROC curve of each model."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.datasets.subsets import left_out_class
from evaluation.jobs.score import read_scores
from evaluation.measures.outliers import inliers_and_outliers
from evaluation.measures.roc import auroc, kept_and_rejected
from evaluation.measures.tidy import canonical_params
from evaluation.results.figures.sharing import with_form
from evaluation.results.figures.style import empty, left_out_words, plotting, width_of
from evaluation.results.formatting import told_apart, variant_words
from evaluation.results.labels import dataset_label
from evaluation.results.results import annealing_words
from evaluation.results.specs import check_record

if TYPE_CHECKING:
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan
    from evaluation.results.material import Material
    from evaluation.results.outputs import Item

LETTERS_PER_INCH = 14  # of a panel's title


def outlier_curves(material: Material, item: Item) -> tuple[Any, str]:
    """One panel per training that the plan names, with its seed. All thresholds, so that the area is the exact AUROC.

    Returns:
        The figure, and what it does not show: models that were still annealing, or have no scores yet.

    Raises:
        UserError: there are no scores at all, or those of another model.
    """
    import numpy as np

    panels, left_out, missing = [], [], []
    for key in material.plan.curves():
        path = material.plan.paths(material.folder).scores(key)
        label = _label(material.plan, key)
        if not path.is_file():
            missing.append(label)
            continue
        frame, record = read_scores(path)
        check_record(material.plan, key, record, path)
        if sigma := annealing_words(record.get("sigmas", ()), record.get("params", {})):
            left_out.append(f"{label} ({sigma})")
        else:
            panels.append((label, key.seed, *inliers_and_outliers(frame, "test", key.subset)))
    words = " ".join(filter(None, [left_out_words(left_out), f"No scores yet: {', '.join(missing)}." * bool(missing)]))
    if not panels:
        if left_out:
            return empty(words), words
        raise UserError(
            f"there are no scores of {', '.join(missing) or 'any curve'} in {material.folder / 'scores'}; make them "
            "with `bench score`, and name the models in experiments.outliers.curves"
        )
    plt, _ = plotting()
    figure, axes = plt.subplots(
        1, len(panels), figsize=(width_of(len(panels)), 2.6), squeeze=False, sharey=True, layout="constrained"
    )
    letters = int(LETTERS_PER_INCH * figure.get_figwidth() / len(panels))
    for axis, (label, seed, inliers, outliers) in zip(axes[0], panels, strict=True):
        # Below all scores, and right above each: a threshold on a score would count it on neither side.
        above = np.nextafter(np.unique(np.concatenate([inliers, outliers])), np.inf)
        kept, rejected = kept_and_rejected(inliers, outliers, np.concatenate([[-np.inf], above]))
        axis.plot(100 * kept, 100 * rejected)
        axis.fill_between(100 * kept, 100 * rejected, alpha=0.15)
        area = f"area {auroc(inliers, outliers):.1f} %"
        for height, said in ((0.08, area), (0.17, f"seed {seed}")):
            axis.text(0.05, height, said, transform=axis.transAxes, fontsize="small")
        axis.set(
            title=fill(label, letters, break_on_hyphens=False),
            xlabel="inliers kept (%)",
            xlim=(0, 100),
            ylim=(0, 101),
            aspect="equal",
        )
    axes[0][0].set_ylabel("outliers rejected (%)")
    return figure, words


def _label(plan: Plan, key: TrainingKey) -> str:
    """The model and its data set: "RAT-SPN (clean, depth 5) (MNIST, class 4 left out)"; protocol, grid point and form
    of a model that has several, the class where it is not class 0."""
    model = plan.variant(key).model
    several = {one.variant: plan.variant(one) for one in plan.keys("outliers", dataset=key.dataset, model=model.name)}
    words = [variant_words(variant.protocol, canonical_params(dict(variant.point))) for variant in several.values()]
    names = dict(zip(several, told_apart((with_form(plan, key), some) for some in words), strict=True))
    label = left_out_class(key.subset)
    return f"{names[key.variant]} ({dataset_label(key.dataset)}{f', class {label} left out' if label else ''})"
