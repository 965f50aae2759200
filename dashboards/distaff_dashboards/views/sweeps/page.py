"""*Sweeps*: the search for a model's best configuration, while it runs and afterwards."""

from __future__ import annotations

from typing import Any

import streamlit as st

from distaff_dashboards.ui import address, places, widgets, wording
from distaff_dashboards.views.sweeps import charts, reads
from distaff_dashboards.views.sweeps.reads import StudyView, sweeps_source

_REFRESH = 5.0  # seconds between two refreshes of a sweep that runs


@widgets.page(
    places.SWEEPS,
    "Which settings suit the data best, and how many were tried to find out? All figures are on validation data, "
    "where the best of many is flattering; what it is worth is on the Board.",
)
def sweeps_page() -> None:
    """Draw the page."""
    names = reads.studies(sweeps_source())
    if not names:
        widgets.empty(
            "No sweep in this workspace yet. Start one, with its controls:", "distaff tune dccf DATASET --controls"
        )
        return
    left, _ = st.columns([2.2, 3])
    with left:
        name = address.choose("Study", names, key="study", help="The last one touched first.")
    if name is None:
        return
    is_running = reads.study(sweeps_source(), name).status == "running"
    st.fragment(_study, run_every=_REFRESH if is_running else None)(name)


def _study(name: str) -> None:
    study = reads.study(sweeps_source(), name)
    _progress(study)
    if study.count("complete") == 0:
        st.info("No trial has been completed yet.")
    else:
        _best(study)
        _figures(study)
    _trials(study)


def _progress(study: StudyView) -> None:
    ended = study.trials.height - study.count("lost")
    facts = [
        f"{study.model} on {study.dataset}",
        f"{ended} of {study.budget} trials ended",
        study.status,
        study.sampler,
    ]
    facts += [f"pruner {study.pruner}"]
    facts += [f"{study.count(s)} {s}" for s in ("pruned", "failed", "lost") if study.count(s)]
    st.caption(wording.escape("  ·  ".join(facts)))
    if study.status == "running":
        st.progress(min(ended / max(study.budget, 1), 1.0))


def _best(study: StudyView) -> None:
    """Draw what was chosen, and how far its validation value can be trusted."""
    trials = study.complete()
    best = trials.sort(study.metrics[0], "trial", descending=[not study.lower[0], False]).row(0, named=True)
    values = {name: best[name] for name in study.space}
    settings = wording.settings({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()})
    n_seeds = len(study.runs)
    metric = f"{study.metrics[0]} {wording.number(best[study.metrics[0]])}"
    st.markdown(f"**Trial {best['trial']}** leads with {wording.escape(metric)}: {wording.escape(settings)}.")
    st.caption(
        f"The best of {trials.height} configurations tried on the validation data is flattering. "
        + (
            f"What it is worth on test data, over {n_seeds} seed{'s' if n_seeds > 1 else ''}, is on the Board."
            if n_seeds
            else "Its runs over seeds will be on the Board."
        )
    )


def _figures(study: StudyView) -> None:
    metric = study.metrics[0]
    if len(study.metrics) > 1:
        left, _ = st.columns([2.2, 3])
        with left:
            metric = address.choose("Objective", study.metrics, key="objective", scope=study.name) or metric
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("Course", anchor=False)
        widgets.chart(charts.history(study, metric), key="course", alt=f"{metric} of each trial, and the best so far")
    with right:
        st.subheader("Configurations", help="A line for each trial; darker is better.", anchor=False)
        widgets.chart(
            charts.configurations(study, metric),
            key="configurations",
            alt=f"settings of each trial and its {metric}",
        )
    if len(study.metrics) > 1:
        st.subheader("Pareto front", help="Trials that no other beats in every objective.", anchor=False)
        widgets.chart(charts.front(study), key="front", alt=" against ".join(study.metrics[:2]))


def _trials(study: StudyView) -> None:
    widgets.heading("Trials", study.trials, f"{study.name}-trials", help="Each is a run: distaff runs --study NAME.")
    columns: dict[str, Any] = {
        "trial": st.column_config.NumberColumn("trial", help="in the order of their start"),
        "state": st.column_config.TextColumn(
            "state", help="complete; pruned: ended early; failed; lost: its process died, and it was tried again"
        ),
        "front": st.column_config.CheckboxColumn(
            "unbeaten", help="no other trial is as good everywhere and better somewhere"
        ),
        "seconds": st.column_config.NumberColumn("seconds", format="%.1f", help="wall time of fit and validation"),
        "retry_of": st.column_config.NumberColumn("repeats", help="the lost trial whose configuration it tried again"),
        "message": st.column_config.TextColumn("message", help="what went wrong"),
    }
    columns |= {m: st.column_config.NumberColumn(m, format="%.4f", help=wording.define(m)) for m in study.metrics}
    columns |= {name: st.column_config.Column(name, help="a setting that the sweep changes") for name in study.space}
    columns["run"] = st.column_config.TextColumn("run", help="its run; click to open it")
    st.caption("Click a row to open the trial's run.")
    widgets.links(
        study.trials, columns, lambda row: (places.RUN, {"run": row["run"]}) if row["run"] else None, key="trials"
    )
