"""*Blind spots*: what people take and are not shown, for everyone and by cohort, and what re-ranking would cost."""

from __future__ import annotations

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import charts as factor_charts
from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import definitions, widgets, wording


@widgets.page("Blind spots", "Factors that people take more, or less, than the lists show them.")
def show() -> None:
    """The page."""
    everything = data.everything()
    runs = {str(row["run"]): row for row in data.runs_with_audit(everything)}
    if not runs:
        run = data.any_run(everything)
        widgets.empty(
            "No run has been audited yet. A run with factors is audited with them; others by the factors of such a run:",
            f"distaff factors {run or 'RUN'}",
            "distaff blind-spots RUN --by RUN_WITH_FACTORS",
        )
        return
    left, middle, right = st.columns([2, 1.4, 2.6], vertical_alignment="bottom")
    with left:
        run = widgets.choose("Run", list(runs), key="run", help="Whose lists were audited.")
    facts = runs[run]
    lens = str(facts["lens"])
    source = data.part(run, lens, str(facts["dataset"]))
    names = factor_parts.labels(data.factors(source, lens))
    cohorts = data.audit_table(source, "blind_spot_cohorts", run)
    with middle:
        cohort = widgets.choose(
            "Cohort", cohorts["cohort"].to_pylist(), key="cohort", help=definitions.EVIDENCE["cohort"]
        )
    right.caption(wording.escape(_said(cohorts, cohort, run, lens)))
    spots = data.audit_table(source, "blind_spots", run)
    mine = spots.filter(pa.compute.equal(spots["cohort"], cohort))
    _ratios(mine, names, f"{run}-{cohort}")
    left, right = st.columns([2, 3], gap="large")
    with left:
        _cohorts(cohorts, run)
    with right:
        _examples(data.audit_table(source, "blind_spot_examples", run), names, run)
    _calibration(source, run, names)


def _said(cohorts: pa.Table, cohort: str, run: str, lens: str) -> str:
    row = cohorts.filter(pa.compute.equal(cohorts["cohort"], cohort)).to_pylist()[0]
    by = "" if lens == run else f", by the factors of {lens}"
    return f"{row['users']:,} users, {row['split']} interactions{by}; divergence {row['kl']:.4f} nats"


def _ratios(spots: pa.Table, names: dict[int, str], name: str) -> None:
    widgets.heading("Shown against taken", spots, f"{name}-blind-spots", help="Share of the lists over share of what was "
                    "taken, with a 95 % bootstrap interval over users, on a log axis. Left of 1: suppressed.")  # fmt: skip
    rows = spots.to_pylist()
    worst = [r for r in rows if r["finding"]]
    if worst:
        low, high = worst[0], worst[-1]
        parts = []
        if low["finding"] == "suppressed":
            parts.append(f"most suppressed {names.get(low['factor'], low['factor'])} ({low['ratio']:.2f} of its share)")
        if high["finding"] == "exaggerated":
            parts.append(f"most exaggerated {names.get(high['factor'], high['factor'])} ({high['ratio']:.2f} times)")
        st.warning(wording.escape("Blind spots: " + "; ".join(parts)))
    else:
        st.success("No factor is shown much less or more than it is taken.")
    left, right = st.columns([3, 2], gap="large")
    with left:
        labels = [names.get(r["factor"], str(r["factor"])) for r in rows]
        widgets.chart(factor_charts.ratios(rows, labels), key="ratios", alt="Ratio of shown to taken by factor")
    with right:
        labelled = spots.append_column("name", pa.array([names.get(r["factor"], str(r["factor"])) for r in rows]))
        labelled = labelled.select(["name", "data_share", "list_share", "ratio", "finding"])
        columns = {column: definitions.evidence_column(column, labelled) for column in labelled.column_names}
        widgets.table(labelled, columns, key="spots")


def _cohorts(cohorts: pa.Table, run: str) -> None:
    shown = cohorts.select(["cohort", "users", "kl"])
    widgets.heading("Cohorts", shown, f"{run}-cohorts", help=definitions.EVIDENCE["cohort"])
    columns = {column: definitions.evidence_column(column, shown) for column in shown.column_names}
    widgets.table(shown, columns, key="cohorts", height=320)


def _examples(examples: pa.Table, names: dict[int, str], run: str) -> None:
    widgets.heading("Whom it concerns", examples, f"{run}-blind-spot-users",
                    help="Users whose lists are furthest from what they took, for the factors with a finding.")  # fmt: skip
    if not examples.num_rows:
        st.info("No factor has a finding.")
        return
    labels = pa.array([names.get(k, str(k)) for k in examples["factor"].to_pylist()])
    shown = examples.append_column("name", labels).select(["name", "user_id", "data_share", "list_share"])
    columns = {column: definitions.evidence_column(column, shown) for column in shown.column_names}
    widgets.table(shown, columns, key="examples", height=320)


def _calibration(source: data.Source, run: str, names: dict[int, str]) -> None:
    costs = data.audit_table(source, "calibration_costs", run)
    if not costs.num_rows:
        widgets.empty("What would re-ranking towards people's own mixes cost? Measure it:",
                      f"distaff blind-spots {run} --calibrate 0.5")  # fmt: skip
        return
    widgets.heading("Calibrated re-ranking, and its cost", costs, f"{run}-calibration", help="Each person's list is "
                    "re-ranked from the best 100 items towards the person's own mix of factors.")  # fmt: skip
    rows = {row["weight"]: row for row in costs.to_pylist()}
    weights = list(rows)
    weight = st.select_slider("Weight of calibration", weights, value=weights[len(weights) // 2], key="calibrate",
                              help="0 leaves the lists, 1 ignores the scores")  # fmt: skip
    before, after = rows[weights[0]], rows[weight]
    cards = (
        ("Recall@20", f"{after['recall']:.4f}", f"{after['recall'] - before['recall']:+.4f}", "recall"),
        ("Divergence (nats)", f"{after['kl']:.4f}", f"{after['kl'] - before['kl']:+.4f}", "kl"),
        ("New items", f"{after['churn']:.0%}", None, "churn"),
    )
    for column, (label, value, change, key) in zip(st.columns(3), cards, strict=True):
        column.metric(
            label,
            value,
            change,
            delta_color="inverse" if key == "kl" else "normal",
            help=wording.escape(definitions.EVIDENCE[key]),
            border=True,
        )
    shares = data.audit_table(source, "calibrations", run)
    taken = data.audit_table(source, "blind_spots", run)
    everyone = taken.filter(pa.compute.equal(taken["cohort"], "everyone"))
    by = {w: dict(zip(*(shares.filter(pa.compute.equal(shares["weight"], w))[c].to_pylist()
                        for c in ("factor", "list_share")), strict=True)) for w in (weights[0], weight)}  # fmt: skip
    figure = factor_charts.calibration(
        [(names.get(r["factor"], str(r["factor"])), r["data_share"], by[weights[0]][r["factor"]], by[weight][r["factor"]])
         for r in everyone.to_pylist()]
    )  # fmt: skip
    widgets.chart(figure, key="calibration", alt="Shares taken, shown, and shown after re-ranking")
