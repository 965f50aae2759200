"""Each defect of public implementations that the specification lists, (a) to (h), and the edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from distaff.disentanglement import (
    active_units,
    cka,
    dci,
    distance_correlation,
    factor_vae_score,
    info_c,
    info_m,
    info_mec,
    mcc,
    mig,
    modularity,
    mutual_information,
    pairwise_dependence,
    sap,
    score,
    subspace_r2,
    total_correlation,
    udr,
)
from distaff_data.errors import InputError

N = 2000
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (N, 3))
CLASSES = ((X + 1) * 2.5).astype(int)
NOISE = RNG.standard_normal((N, 64))


def test_a_runs_on_current_numpy_and_scikit_learn_without_a_warning() -> None:
    assert info_mec(X, CLASSES).info_m.value == 1.0


def test_b_integer_latents_are_levels() -> None:
    found = info_mec(CLASSES, CLASSES)
    assert (found.info_m.value, found.info_c.value) == (1.0, 1.0)
    assert found.info_e.value > 0.95
    nearest = info_mec(CLASSES, CLASSES, estimator="knn")
    assert (nearest.info_m.value, nearest.info_c.value) == (1.0, 1.0)
    assert nearest.info_m.low is None


@pytest.mark.parametrize("seed", range(5))
def test_c_noise_scores_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((N, 8))
    found = info_mec(noise, CLASSES, seed=seed)
    assert (found.info_m.value, found.info_c.value) == (0.0, 0.0)
    assert (found.info_m.uninformative, found.info_m.uncaptured) == (8, 3)


@pytest.mark.parametrize("seed", range(5))
def test_c_noise_scores_nothing_when_classes_are_imbalanced(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.random(N) < share for share in (0.5, 0.05, 0.01)], 1)
    found = info_mec(rng.standard_normal((N, 8)), factors, seed=seed)
    assert (found.info_m.value, found.info_c.value, found.info_m.uninformative) == (0.0, 0.0, 8)


def test_c_neighbours_have_a_floor_too() -> None:
    found = info_mec(NOISE[:, :4], CLASSES, estimator="knn")
    assert (found.info_m.value, found.info_c.value) == (0.0, 0.0)


def test_c_a_factor_of_many_classes_does_not_hide_one_of_two() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((N, 2))
    weak = (z[:, 0] + 3 * rng.standard_normal(N)) > 0
    found = info_mec(z, {"weak": weak, "many": rng.integers(0, 400, N)})
    assert found.info_m.uncaptured == 1
    assert found.info_m.matrix[0, 0] > 0


def test_d_a_latent_without_information_gives_no_nan() -> None:
    found = info_mec(np.hstack([X, NOISE]), CLASSES)
    assert (found.info_m.value, found.info_c.value) == (1.0, 1.0)
    assert found.info_m.uninformative == 64
    assert info_m(np.array([[1.0, 0.0], [0.0, 0.0]])) == 1.0


def test_e_a_scaled_latent_changes_nothing() -> None:
    plain = info_mec(X, CLASSES)
    for scale in (100.0, 1e-12, 1e150):
        scaled = info_mec(X * [scale, 1, 1], CLASSES)
        assert scaled.info_m.value == plain.info_m.value
        assert scaled.info_m.dead == 0
        assert scaled.info_e.value == pytest.approx(plain.info_e.value, abs=1e-3)


def test_f_one_factor_or_one_latent_divides_by_no_zero() -> None:
    one_factor = info_mec(X, CLASSES[:, 0])
    assert (one_factor.info_m.value, one_factor.info_c.value) == (1.0, 1.0)
    one_latent = info_mec(X[:, 0], CLASSES)
    assert one_latent.info_m.value == 1.0
    assert one_latent.info_c.value == pytest.approx(1 / 3)
    both = score(X[:, 0], CLASSES[:, 0])
    assert {name for name, found in both.items() if found.value < 0.9} == set()
    assert mig(X[:, 0], CLASSES[:, 0]).value > 0.9
    assert sap(X[:, 0], X[:, 0]).value == pytest.approx(1.0)
    assert modularity(X[:, 0], CLASSES[:, 0]).value == 1.0


def test_g_explicitness_is_held_out() -> None:
    assert info_mec(NOISE, X).info_e.value < 0
    assert info_mec(X, X).info_e.value == pytest.approx(1.0)


def test_g_explicitness_does_not_depend_on_the_balance_of_classes() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20_000, 1))
    label = rng.random(20_000) < 1 / (1 + np.exp(-2 * z[:, 0]))
    # Against the entropy log 2 of balanced classes, noise would score 1 - H(.02)/log 2 = 0.86 on a rare class.
    rare = rng.random(20_000) < 0.02
    found = info_mec(z, {"label": label, "rare": rare}).info_e.matrix[:, 0]
    assert found[0] > 0.2
    assert found[1] == pytest.approx(0.0, abs=0.01)


def test_h_a_missing_factor_lowers_compactness_by_its_share() -> None:
    found = info_mec(X[:, :2], CLASSES)
    assert found.info_c.value == pytest.approx(2 / 3)
    assert found.info_c.uncaptured == 1
    assert info_c(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])) == pytest.approx(2 / 3)


def test_dead_latents_are_counted_and_never_scored() -> None:
    dead = np.hstack([X, np.full((N, 2), 3.0)])
    found = score(dead, CLASSES)
    assert {f.dead for f in found.values()} == {2}
    assert (found["info_m"].value, found["info_c"].value) == (1.0, 1.0)
    assert found["dci_d"].value > 0.99
    assert found["info_m"].matrix.shape == (3, 5)
    assert not found["info_m"].matrix[:, 3:].any()
    assert total_correlation(dead).value == pytest.approx(total_correlation(X).value)


def test_only_dead_latents_score_nothing() -> None:
    found = score(np.ones((N, 3)), CLASSES)
    assert {f.value for f in found.values()} == {0.0}
    assert found["info_m"].uncaptured == 3
    assert total_correlation(np.ones((N, 3))).value == 0.0
    assert pairwise_dependence(np.ones((N, 3))).dead == 3
    assert factor_vae_score(lambda rng, n: rng.random((n, 4)), lambda x: 0 * x).value < 0.4


def test_a_constant_latent_has_no_information_about_a_rare_class() -> None:
    rare = np.arange(N) < 3
    assert mutual_information(np.ones((N, 1)), rare, estimator="knn").tolist() == [[0.0]]


def test_duplicates_are_modular_and_not_compact() -> None:
    found = info_mec(np.hstack([X, X]), CLASSES)
    assert found.info_m.value == 1.0
    assert found.info_c.value == pytest.approx((1 / 2 - 1 / 6) / (1 - 1 / 6))
    assert total_correlation(np.hstack([X, X])).value == np.inf


def test_factors_of_any_kind() -> None:
    names = np.array(["red", "green", "blue", "grey", "black"])
    columns = {"colour": names[CLASSES[:, 0]], "size": X[:, 1], "kind": names.astype(object)[CLASSES[:, 2]]}
    found = score(X, columns)
    assert found["info_m"].factors == ("colour", "size", "kind")
    assert (found["info_m"].value, found["info_c"].value) == (1.0, 1.0)
    assert found["dci_d"].value > 0.99
    assert mcc(X, columns).value > 0.9


def test_nominal_overrides_types() -> None:
    ordered = mcc(X, CLASSES, nominal=[])
    assert ordered.value == pytest.approx(np.mean([np.corrcoef(X[:, k], CLASSES[:, k])[0, 1] for k in range(3)]))
    assert info_mec(X, CLASSES.astype(float), nominal=[0, 1, 2]).info_m.value == 1.0
    with pytest.raises(InputError, match="'colour' does not exist"):
        mcc(X, CLASSES, nominal=["colour"])


def test_a_factor_that_never_varies_is_left_out_and_counted() -> None:
    found = info_mec(X, {"x": X[:, 0], "y": np.ones(N), "z": ["a"] * N})
    assert (found.info_c.factors, found.info_c.constant_factors, found.info_c.value) == (("x",), 2, 1.0)
    with pytest.raises(InputError, match="no factor varies"):
        info_mec(X, np.ones(N))


def test_a_class_of_one_row() -> None:
    label = CLASSES[:, 0].astype(str).astype(object)
    label[7] = "alone"
    assert info_mec(X, {"label": label}).info_e.value > 0.9


def test_missing_values_are_refused_by_name() -> None:
    holed = X.copy()
    holed[5, 1] = np.nan
    for call in (info_mec, dci, mig, sap, mcc, modularity, score):
        with pytest.raises(InputError, match=r"column latent 1: 1 of 2000 .* row 5"):
            call(holed, CLASSES)
        with pytest.raises(InputError, match="column factor 1"):
            call(X, holed)
    with pytest.raises(InputError, match="column factor kind"):
        info_mec(X, {"kind": np.array(["a", None] * (N // 2), dtype=object)})
    for check in (total_correlation, pairwise_dependence, active_units):
        with pytest.raises(InputError, match="latent 1"):
            check(holed)
    for compare in (cka, subspace_r2):
        with pytest.raises(InputError, match="latent 1"):
            compare(X, holed)
    with pytest.raises(InputError, match="latent 1"):
        udr([X, holed])
    with pytest.raises(InputError, match="latent 1"):
        distance_correlation([X, holed])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="2000 rows and factors 1999"):
        info_mec(X, CLASSES[1:])
    with pytest.raises(InputError, match="differ in length"):
        info_mec(X, {"a": X[:, 0], "b": X[1:, 0]})
    with pytest.raises(InputError, match="too few"):
        info_mec(X[:5], CLASSES[:5])
    with pytest.raises(InputError, match="numbers were expected"):
        info_mec(np.array([["a"]] * N), CLASSES)
    with pytest.raises(InputError, match="rows by latents"):
        info_mec(X[None], CLASSES)


def test_dci_ignores_what_cannot_be_predicted() -> None:
    rng = np.random.default_rng(1)
    found = dci(X, np.hstack([X, rng.standard_normal((N, 2))]))
    assert found.disentanglement.value > 0.98
    assert found.completeness.value == pytest.approx(3 / 5, abs=0.02)
    assert found.disentanglement.uncaptured == 2


@pytest.mark.parametrize("seed", range(3))
def test_dci_of_noise_is_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = dci(rng.standard_normal((500, 4)), rng.integers(0, 3, (500, 3)), seed=seed)
    assert (found.disentanglement.value, found.completeness.value, found.informativeness.value) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_global_state_alone() -> None:
    before = [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state(legacy=True)]
    first, second = (score(X[:500] + NOISE[:500, :3], CLASSES[:500], seed=3) for _ in range(2))
    assert {k: (v.value, v.low, v.high) for k, v in first.items()} == {
        k: (v.value, v.low, v.high) for k, v in second.items()
    }
    after = [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state(legacy=True)]
    assert after == before
