"""The tables of the documentation, made of committed results: ``python benchmarks/tables.py [--check]``.

A page holds ``<!-- results: NAME -->`` and ``<!-- end of results -->``, and what stands between them is this module's. With
``--check`` nothing is written, and the status is 1 when a page says anything else than its results.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import results

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"(<!-- results: (?P<name>[\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
Row = Mapping[str, Any]


def lists(answer: Row) -> list[str]:
    """Return the table of recommenders on real data: a row a model, the best on validation first."""
    by_model: dict[str, dict[str, Row]] = {}
    for row in answer["rows"]:
        by_model.setdefault(row["model"], {})[row["metric"]] = row
    ordered = sorted(by_model.items(), key=lambda item: -item[1]["recall@20"]["valid"])
    head = ("", "Recall@20", "NDCG@20", "published", "valid", "tried", "numbers a user", "MB", "seconds", "beside")
    return _table(head, (_list_cells(model, rows) for model, rows in ordered))


def _list_cells(model: str, rows: Mapping[str, Row]) -> list[str]:
    recall, ndcg = rows["recall@20"], rows["ndcg@20"]
    published = [_decimals(row["published"]) for row in (recall, ndcg) if row["published"] is not None]
    return [
        f"{model} (control)" if recall["control"] else f"**{model}**",
        _spread(recall),
        _spread(ndcg),
        " / ".join(published),
        _decimals(recall["valid"]),
        str(recall["looks"]),
        f"{recall['numbers_per_user']:,}",
        f"{recall['megabytes']:.0f}",
        f"{recall['seconds']:.0f}",
        _gap(recall.get("against")) if recall.get("against") or recall["control"] else "no control was run",
    ]


def _gap(against: Row | None) -> str:
    """Return a difference with its interval and its corrected p-value."""
    if against is None:
        return "the best control"
    if against["p_value"] is None:
        return f"{_signed(against['difference'])}, one seed: no test"
    low, high = _signed(against["low"]), _signed(against["high"])
    p = against["p_holm"]
    return f"{_signed(against['difference'])} [{low}, {high}], p {'< 1e-300' if p == 0 else f'{p:.2g}'}"


def speeds(answer: Row) -> list[str]:
    """Return the table of speeds beside peers: a row a benchmark."""
    return _table(
        ("`python benchmarks/speed.py`", "ours", "peer", "", "limit of this machine"),
        (
            [
                f"`{row['name']}`",
                _time(row["ours"]),
                f"{row['peer']['name']}: {_time(row['peer'])}",
                f"{row['ratio']:.1f} times",
                _limit(row.get("limit")),
            ]
            for row in answer["rows"]
        ),
    )


def _limit(least: Row | None) -> str:
    """Return the least seconds, whose they are, and the share that ours reaches."""
    return "" if least is None else f"{least['seconds']:.2g} s by {least['by']}: {least['reached']:.0%}"


def defaults(answer: Row) -> list[str]:
    """Return the table of defaults on the datasets left out of their choice: a row a model, a column a dataset."""
    datasets = list(dict.fromkeys(row["dataset"] for row in answer["rows"]))
    cells: dict[str, dict[str, str]] = {}
    for row in answer["rows"]:
        cells.setdefault(row["model"], {})[row["dataset"]] = (
            f"{row['left_out']:.0%}, {row['shipped']:.0%} of {_decimals(row['best'])}"
        )
    return _table(("", *datasets), ([model, *(row.get(name, "") for name in datasets)] for model, row in cells.items()))


def knobs(answer: Row) -> list[str]:
    """Return the table of planted intents: a row a knob of the generator, a column a model and metric."""
    models = list(dict.fromkeys(row["model"] for row in answer["rows"]))
    of = {(row["knob"], row["model"]): row for row in answer["rows"]}
    head = ("", *(f"{name}, users' shares" for name in models), *(f"{name}, Recall@20" for name in models))
    turned = dict.fromkeys(row["knob"] for row in answer["rows"])
    return _table(
        head,
        (
            [knob, *(_ahead(of[knob, name], metric) for metric in ("user_mcc", "recall@20") for name in models)]
            for knob in turned
        ),
    )


def _ahead(row: Row, metric: str) -> str:
    """Return a mean, and how far the first model is ahead of it."""
    gap = row.get(f"{metric}_ahead")
    return _decimals(row[metric]) + (
        "" if gap is None else f" ({_signed(gap[1])} [{_signed(gap[0])}, {_signed(gap[2])}])"
    )


def dependencies(answer: Row) -> list[str]:
    """Return the table of what the core needs."""
    cells = ([row["name"], f"{row['megabytes']:,.1f}", row["reason"]] for row in answer["rows"])
    return _table(("package", "MB", "for"), cells)


def rates(answer: Sequence[Row]) -> list[str]:
    """Return the table of rates with their intervals: a row a question, a column a rule."""
    rules = list(dict.fromkeys(row["rule"] for row in answer))
    cells: dict[str, dict[str, str]] = {}
    for row in answer:
        cells.setdefault(row["what"], {})[row["rule"]] = f"{row['rate']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
    return _table(("", *rules), ([what, *(row.get(rule, "") for rule in rules)] for what, row in cells.items()))


def pairs(answer: Row) -> list[str]:
    """Return the table of how often two runs are called different: a row a pair of methods and metric."""
    return _table(
        ("", "metric", "seeds", "difference", "p < .05", "by users alone"),
        (
            [
                f"{row['model']}, twice" if row["null"] else f"{row['model']} and {row['control']}",
                row["metric"],
                str(row["seeds"]),
                f"{row['difference']:+.4f}",
                f"{row['now']:.1%}",
                f"{row['users_alone']:.1%}",
            ]
            for row in answer["rows"]
        ),
    )


def classes(answer: Row) -> list[str]:
    """Return the table of classes of windows: a row a model, a column a set; an encoder beside its twin and a control."""
    sets = list(dict.fromkeys(row["set"] for row in answer["rows"]))
    cells: dict[str, dict[str, str]] = {}
    for row in answer["rows"]:
        label = f"{row['encoder']} (control)" if row["control"] else f"**{row['encoder']}**"
        gaps = (
            f"{_signed(gap['difference'])} ± {_decimals(gap['half_width'])} than {gap['model']}"
            for gap in row["beside"].values()
        )
        cells.setdefault(label, {})[row["set"]] = "; ".join((_spread(row), *gaps))
    return _table(("", *sets), ([label, *(row.get(name, "") for name in sets)] for label, row in cells.items()))


def edges(answer: Row) -> list[str]:
    """Return the table of edges behind recommendations: a row a model, a column a way of ranking them."""
    ways = list(dict.fromkeys(row["by"] for row in answer["rows"]))
    cells: dict[str, dict[str, str]] = {}
    for row in answer["rows"]:
        low, high = (_decimals(row[end], 3) for end in ("low", "high"))
        cells.setdefault(row["model"], {})[row["by"]] = f"{_decimals(row['mean'], 3)} [{low}, {high}]"
    return _table(("", *ways), ([model, *(row[way] for way in ways)] for model, row in cells.items()))


def horizons(answer: Row) -> list[str]:
    """Return the table of forecasts: a row a model, a column a horizon."""
    of: dict[str, dict[str, Row]] = {}
    for row in answer["rows"]:
        of.setdefault(row["model"], {})[row["metric"]] = row
    ahead = [metric for metric in next(iter(of.values())) if metric.startswith("mse@")]
    head = ("MSE", *(metric.partition("@")[2] for metric in ahead), "mean", "valid", "window", "published")
    return _table(
        head,
        (
            [
                f"{model} (control)" if rows["mse"]["control"] else f"**{model}**",
                *(_decimals(rows[metric]["value"], 3) for metric in (*ahead, "mse")),
                f"{rows['valid']['value']:.3f}",
                str(rows["mse"]["settings"].get("seq_len", "")),
                "" if rows["mse"]["published"] is None else _decimals(rows["mse"]["published"], 3),
            ]
            for model, rows in of.items()
        ),
    )


def panels(answer: Row) -> list[str]:
    """Return the table of forecasts of planted panels: a row a panel, our default and the best of the controls."""
    of: dict[str, dict[str, dict[str, Row]]] = {}
    for row in answer["rows"]:
        panel, _, model = row["model"].partition(": ")
        of.setdefault(panel, {}).setdefault(model, {})[row["metric"]] = row
    head = ("panel", "MASE", "best control", "difference", "in intervals of 80 %", "90 %", "95 %", "entities off")
    return _table(head, (_panel_cells(panel, models) for panel, models in of.items()))


def _panel_cells(panel: str, models: Mapping[str, Mapping[str, Row]]) -> list[str]:
    ours = next(rows for rows in models.values() if not rows["mase"]["control"])
    mase, best = ours["mase"], ours["mase"]["best_control"]
    spread = f" ± {mase['half_width']:.3f}" if "half_width" in mase else ""
    return [
        panel,
        _decimals(mase["value"], 3),
        f"{best} {_decimals(models[best]['mase']['value'], 3)}",
        f"{mase['difference']:+.3f}{spread}",
        *(f"{ours[f'covered@{level}']['value']:.1%}" for level in (80, 90, 95)),
        f"{ours['entities off']['value']:.1%}",
    ]


def latents(answer: Row) -> list[str]:
    """Return the table of planted factors: a row a model and planting."""
    of: dict[tuple[str, str], dict[str, Row]] = {}
    for row in answer["rows"]:
        planting, _, metric = row["metric"].rpartition(" ")
        of.setdefault((planting, row["model"]), {})[metric] = row
    metrics = ("info_m", "info_e", "info_c", "mcc")
    return _table(
        ("planting", "model", "InfoM", "InfoE", "InfoC", "MCC", "active"),
        (
            [
                planting or "one sine",
                f"{model} (control)" if rows["mcc"]["control"] else f"**{model}**",
                *(_spread(rows[metric], 3) for metric in metrics),
                f"{rows['active']['value']:.1f}",
            ]
            for (planting, model), rows in sorted(of.items(), key=lambda pair: pair[0][0])
        ),
    )


def codes(answer: Row) -> list[str]:
    """Return the table of sparse codes: a row an encoder."""
    head = (
        "encoder",
        "explained",
        "of shuffled columns",
        "in use",
        "MSE by codes",
        "by the vectors",
        "worth something",
    )
    return _table(
        (*head, "found by other seeds", "move one property"),
        (
            [
                row["encoder"],
                f"{row['explained']:.0%}",
                f"{row['explained_of_shuffled']:.0%}",
                f"{row['in_use']:.0f} of {row['codes']}",
                _decimals(row["mse"], 3),
                _decimals(row["mse_of_vectors"], 3),
                f"{row['worth_something']:.1f}",
                f"{row['stable']} of {row['of']}",
                f"{row['moving']} of {row['of']}",
            ]
            for row in answer["rows"]
        ),
    )


def incidents(answer: Row) -> list[str]:
    """Return the table of root causes: a row a set of incidents, CORAL beside itself without remainders and two controls."""
    of_set: dict[str, dict[str, Row]] = {}
    plain: dict[str, float] = {}
    for row in answer["rows"]:
        name, _, metric = row["metric"].rpartition(" ")
        if metric == "ac@1" and not row["model"].startswith("left out"):
            of_set.setdefault(name, {})[row["model"]] = row
        elif row["model"] == "coral":
            plain[row["metric"]] = row["value"]
    head = (
        "set (cases)",
        "CORAL",
        "without remainders",
        "best control",
        "p",
        "p by all",
        "sets told",
        "hold the cause",
        "entities in them",
        "paths told",
        "and right",
    )
    return _table(head, (_incident_cells(name, rows, plain) for name, rows in of_set.items()))


def _incident_cells(name: str, rows: Mapping[str, Row], plain: Mapping[str, float]) -> list[str]:
    ours, controls = rows["coral"], {model: row for model, row in rows.items() if row["control"]}
    best = max(controls, key=lambda model: controls[model]["value"])
    ahead = [row["p"] for row in controls.values() if row["value"] > ours["value"]]
    corrected = min(1.0, len(controls) * min(ahead, default=1.0))  # Bonferroni: the smallest of Holm's
    told = [
        (plain.get(f"{name} sets: {what} where told"), places) for what, places in (("coverage", 2), ("mean size", 1))
    ]
    paths = plain.get(f"{name} paths told"), plain.get(f"{name} paths")
    return [
        f"{name} ({plain[f'{name} sets: cases']:.0f})",
        f"{_decimals(ours['value'], 2)} [{_decimals(ours['low'], 2)}, {_decimals(ours['high'], 2)}]",
        _decimals(rows["coral, no remainders"]["value"], 2),
        f"{best} {_decimals(controls[best]['value'], 2)}",
        f"{controls[best]['p']:.2g}",
        f"{corrected:.2g}" if ahead else "none ahead",
        _decimals(plain[f"{name} sets: told"], 2),
        *("" if value is None else _decimals(value, places) for value, places in told),
        *("" if path is None else _decimals(path, 2) for path in paths),
    ]


def kills(answer: Row) -> list[str]:
    """Return the table of kills: a row a verb, and all of them."""
    failed = [failure["verb"] for failure in answer["failures"]]
    rows = [
        [f"`{verb}`", *(str(count.get(what, 0)) for what in ("killed", "looked at", "again")), str(failed.count(verb))]
        for verb, count in answer["verbs"].items()
    ]
    looked = sum(count.get("looked at", 0) for count in answer["verbs"].values())
    total = [answer["kills"], looked, answer["made_again_and_well"], len(failed)]
    head = ("", "killed", "looked at afterwards", "made again and well", "something lost or wrong")
    return _table(head, [*rows, ["all", *(f"{number:,}" for number in total)]])


def damage(answer: Row) -> list[str]:
    """Return the table of damaged files: a row a format, and all of them."""
    rows = [[f"`{name}`", *_outcomes(counts)] for name, counts in answer["formats"].items()]
    head = ("", "files", "read", "refused in a line", "traceback, hang or corruption")
    return _table(head, [*rows, ["all", *_outcomes(answer["counts"])]])


def _outcomes(counts: Mapping[str, int]) -> list[str]:
    accepted, refused, total = counts.get("accepted", 0), counts.get("refused", 0), sum(counts.values())
    return [f"{number:,}" for number in (total, accepted, refused, total - accepted - refused)]


def serving(answer: Row) -> list[str]:
    """Return the table of ways of asking for a list: a row a way."""
    rows = (
        [way, f"{row['requests_a_second']:,.0f}", f"{row['p50_ms']:.2f} ms", f"{row['p99_ms']:.2f} ms"]
        for way, row in answer["ways"].items()
    )
    return _table(("way", "requests a second", "half within", "99 in 100 within"), rows)


RENDERERS: Mapping[str, Callable[[Any], list[str]]] = {
    "ours-amazon-book": lists,
    "dccf-amazon-book": lists,
    "dgvae-lfm2k": lists,
    "plait-gowalla": lists,
    "encoders-ml-100k": lists,
    "encoders-lfm2k": lists,
    "planted-knobs": knobs,
    "speed": speeds,
    "dependencies": dependencies,
    **dict.fromkeys(("defaults", "defaults-four", "defaults-trained"), defaults),
    "board-null": pairs,
    "series-classes": classes,
    "incidents": incidents,
    "sparse-codes": codes,
    "forecast-etth1": horizons,
    "forecast-panels": panels,
    "dts-planted": latents,
    "edges": edges,
    "kills": kills,
    "fuzz": damage,
    "serve": serving,
    **{f"false-positives-{name}": rates for name in ("names", "cards", "blind-spots", "infomec")},
}


def block(name: str) -> str:
    """Return the text between the marks of a result: its table, and what measured it where."""
    record = results.load(name)
    machine = record["machine"]
    units = ", ".join(machine["vector_units"]) or "no vector units known"
    source = f"`{record['command']}`, {record['measured']}, commit {(record['commit'] or 'none')[:7]}"
    where = f"{machine['cores']} cores of {machine['processor']} ({units})"
    return "\n".join(["", *RENDERERS[name](record["result"]), "", f"Measured by {source}, on {where}.", ""])


def rendered(text: str) -> str:
    """Return a page with its tables as the results have them."""
    return _BLOCK.sub(lambda match: match[1] + block(match["name"]) + "\n" + match[3], text)


def main() -> None:
    """Write the tables, or say which are another."""
    parser = argparse.ArgumentParser(description="The tables of the documentation, made of committed results.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when a page differs")
    check = parser.parse_args().check
    differing = [page for page in PAGES if rendered(page.read_text()) != page.read_text()]
    for page in differing:
        if not check:
            page.write_text(rendered(page.read_text()))
        print(f"{page.relative_to(ROOT)}: {'says' if check else 'said'} something else than its results")
    raise SystemExit(1 if check and differing else 0)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _spread(row: Row, n: int = 4) -> str:
    return _decimals(row["value"], n) + (f" ± {_decimals(row['std'], n)}" if row["std"] is not None else "")


def _decimals(value: float, n: int = 4) -> str:
    """Return some decimals without the zero before them."""
    return _bare(f"{value:.{n}f}")


def _signed(value: float) -> str:
    return _bare(f"{value:+.4f}")


def _bare(number: str) -> str:
    """Return a number below 1 without the zero before its point."""
    return re.sub(r"^([+-]?)0\.", r"\1.", number)


def _time(side: Row) -> str:
    return f"{side['seconds']:.2g} s, {side['peak_gb']:.2f} GB"


if __name__ == "__main__":
    main()
