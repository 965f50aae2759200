from __future__ import annotations

from unittest.mock import Mock

import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_matrix

from distaff.recommenders.words import Words, spoken_by, word_rows
from distaff_data.datasets.content import Weighted

# Four people, of whom the first two are mostly of factor 0; words: theirs, the others', everybody's.
SHARES = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8]])
DOCUMENTS = Weighted.from_scipy(csr_matrix([[0.9, 0, 0.1], [0.2, 0, 0.3], [0, 0.5, 0.4], [0, 0, 1.0]]))


def test_words_are_counted_once_a_person_by_how_much_the_factor_exceeds_its_mean() -> None:
    found = spoken_by(SHARES, DOCUMENTS)
    # Means are 0.5 each: 0.4 and 0.2 of the first two, 0.3 of each of the others.
    expected = torch.tensor([[0.6, 0.0, 0.6], [0.0, 0.3, 0.6]], dtype=torch.float64)
    expected /= expected.sum(1, keepdim=True)
    torch.testing.assert_close(found.probability, expected, rtol=1e-6, atol=1e-12)
    overall = torch.tensor([2.0, 1.0, 4.0], dtype=torch.float64) / 7
    torch.testing.assert_close(found.lift, expected / overall, rtol=1e-6, atol=1e-12)


def test_the_scale_of_shares_and_weights_of_words_do_not_matter() -> None:
    repeated = Weighted(DOCUMENTS.pattern, DOCUMENTS.values * 7 + 1)
    found, same = spoken_by(SHARES, DOCUMENTS), spoken_by(SHARES * 3, repeated)
    torch.testing.assert_close(same.probability, found.probability, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("shares", [torch.ones(4, 1), torch.full((4, 2), 0.5)])
def test_a_factor_that_matters_to_nobody_more_than_to_others_is_everybodys(shares: torch.Tensor) -> None:
    found = spoken_by(shares, DOCUMENTS)
    torch.testing.assert_close(found.lift, torch.ones_like(found.lift))


def test_rows_have_only_the_words_that_a_factors_people_have() -> None:
    vocabulary = pa.array(["own", "other", "common"])
    words = Mock(spec=Words, vocabulary=vocabulary, naming=torch.ones(3, dtype=torch.bool))
    words.factor_words.return_value = spoken_by(SHARES, DOCUMENTS)
    rows = word_rows(words).to_pylist()
    assert [(row["factor"], row["rank"], row["word"]) for row in rows] == [
        (0, 1, "own"),
        (0, 2, "common"),
        (1, 1, "common"),
        (1, 2, "other"),
    ]
