"""Interactions and dependencies as graphs of PyTorch Geometric, and back, in memory and as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch_geometric import EdgeIndex
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import ToUndirected

from distaff.testing.data import interaction_pairs, worded_checkerboard
from distaff_data.datasets.content import Content, Weighted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.graph_files import read_graph, write_graph
from distaff_data.datasets.graphs import Details
from distaff_data.datasets.incidents import Edge, Topology
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError

SPLITS = ("train", "valid", "test")
_SLOW = settings(deadline=None, max_examples=40)


def assert_same(one: Interactions, other: Interactions) -> None:
    assert one.user_ids.equals(other.user_ids)
    assert one.item_ids.equals(other.item_ids)
    for split in SPLITS:
        ours, theirs = one.split(split), other.split(split)
        assert torch.equal(ours.indptr, theirs.indptr)
        assert torch.equal(ours.indices, theirs.indices)
        assert ours.n_cols == theirs.n_cols


def detailed() -> Interactions:
    """Return interactions with times, words, vectors and attributes; one item has none of them."""
    data = Interactions.from_arrays(["a", "a", "b", "c"], ["x", "y", "x", "z"], ["train", "valid", "train", "test"])
    words = Weighted(
        Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 3, 2), torch.tensor([2.0, 1.0, 3.0])
    )
    content = Content(pa.array(["noir", "silk"]), words, {"text": torch.tensor([[1.0, 2], [3, 4], [np.nan, np.nan]])})
    table = {
        "entity": ["item", "item", "user"],
        "id": ["x", "y", "b"],
        "name": ["genre", "genre", "age"],
        "value": ["crime", "crime", "40"],
    }
    times = {"train": torch.tensor([3.0, 4.0]), "valid": torch.tensor([5.0]), "test": torch.tensor([6.0])}
    details = Details({name: time.double() for name, time in times.items()}, pa.table(table))
    read = data.with_content(content)
    object.__setattr__(read, "read_details", lambda: details)
    return read


# ------------------------------------------------------------------------------------------------------- interactions


@_SLOW
@given(pairs=interaction_pairs())
def test_any_interactions_come_back_as_they_went(pairs: tuple[list[str], list[str], list[str]]) -> None:
    data = Interactions.from_arrays(*pairs)
    assert_same(Interactions.from_pyg(data.to_pyg()), data)


def test_edges_are_sorted_by_user_and_have_both_compressed_forms() -> None:
    data = worded_checkerboard()
    index = data.to_pyg()["user", "takes", "item"].edge_index
    assert isinstance(index, EdgeIndex)
    index.validate()
    assert index.sparse_size() == (data.n_users, data.n_items)
    (indptr, columns), _ = index.get_csr()
    assert torch.equal(indptr, data.train.indptr)
    assert torch.equal(columns, data.train.indices.long())
    (colptr, rows), _ = index.get_csc()
    transposed = data.train.transpose()
    assert torch.equal(colptr, transposed.indptr)
    columns_of = torch.repeat_interleave(torch.arange(data.n_items), colptr.diff())
    order = torch.argsort(columns_of * data.n_users + rows)  # within a column theirs are in no order
    assert torch.equal(rows[order], transposed.indices.long())
    assert index._T_indptr is not None  # cached: nobody has to sort again


def test_what_is_held_out_is_in_no_edge_of_training() -> None:
    graph = detailed().to_pyg()
    assert graph["user", "takes", "item"].edge_index.tolist() == [[0, 1], [0, 0]]
    assert graph["user", "takes_valid", "item"].edge_index.tolist() == [[0], [1]]
    assert graph["user", "takes_test", "item"].edge_index.tolist() == [[2], [2]]


def test_content_times_and_attributes_come_back() -> None:
    data = detailed()
    graph = data.to_pyg()
    graph.validate()
    back = Interactions.from_pyg(graph)
    assert_same(back, data)
    assert back.read_content is not None
    assert back.read_details is not None
    assert data.read_content is not None
    content, given = back.read_content(), data.read_content()
    assert content.words.equals(given.words)
    assert np.array_equal(content.item_words.scipy().toarray(), given.item_words.scipy().toarray())
    torch.testing.assert_close(content.features["text"], given.features["text"], equal_nan=True)
    details = back.read_details()
    assert {split: time.tolist() for split, time in details.times.items()} == {
        "train": [3.0, 4.0],
        "valid": [5.0],
        "test": [6.0],
    }
    assert details.attributes is not None
    assert sorted(map(tuple, details.attributes.to_pandas().to_numpy().tolist())) == [
        ("item", "x", "genre", "crime"),
        ("item", "y", "genre", "crime"),
        ("user", "b", "age", "40"),
    ]


def test_documents_of_people_come_back() -> None:
    data = detailed()
    assert data.read_content is not None
    content = data.read_content()
    documents = Weighted(Csr.from_pairs(torch.tensor([0, 2]), torch.tensor([1, 0]), 3, 2), torch.tensor([0.5, 1.0]))
    back = Interactions.from_pyg(data.with_content(Content(content.words, content.item_words, {}, documents)).to_pyg())
    assert back.read_content is not None
    user_words = back.read_content().user_words
    assert user_words is not None
    assert user_words.scipy().toarray().tolist() == documents.scipy().toarray().tolist()


def test_times_of_what_was_made_of_other_interactions_are_left_out() -> None:
    data = detailed()
    assert data.without(torch.tensor([0])).read_details is None
    assert data.all_in_training().read_details is None


def other_graph(**masks: torch.Tensor) -> HeteroData:
    graph = HeteroData()
    graph["person"].num_nodes = 3
    graph["film"].num_nodes = 4
    graph["person", "rates", "film"].edge_index = torch.tensor([[2, 0, 0, 2], [3, 1, 1, 0]])
    for name, mask in masks.items():
        graph["person", "rates", "film"][name] = mask
    return graph


def test_a_graph_of_somebody_else_is_read_by_its_one_relation() -> None:
    data = Interactions.from_pyg(other_graph(), user="person", item="film")
    assert data.user_ids.to_pylist() == ["0", "1", "2"]
    assert data.train.dense().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
    assert data.valid.nnz == data.test.nnz == 0


def test_masks_divide_the_relation() -> None:
    train = torch.tensor([True, False, False, False])
    data = Interactions.from_pyg(other_graph(train_mask=train, val_mask=~train), user="person", item="film")
    assert data.train.dense().sum() == 1
    assert data.valid.dense().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_what_no_other_mask_holds_out_is_training_data() -> None:
    held_out = torch.tensor([False, False, False, True])
    data = Interactions.from_pyg(other_graph(test_mask=held_out), user="person", item="film")
    assert data.train.dense().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert data.test.dense().tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_masks_of_zeros_and_ones_are_no_positions(dtype: torch.dtype) -> None:
    train = torch.tensor([1, 0, 0, 1], dtype=dtype)
    data = Interactions.from_pyg(other_graph(train_mask=train), user="person", item="film")
    assert data.train.dense().tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]


def _turned(pairs: torch.Tensor) -> torch.Tensor:
    turned = pairs.T.contiguous().T
    assert not turned.is_contiguous()
    return turned


def _by_item(pairs: torch.Tensor) -> EdgeIndex:
    ordered = pairs[:, pairs[1].argsort(stable=True)]
    return EdgeIndex(ordered, sparse_size=(3, 4), sort_order="col").fill_cache_()


@pytest.mark.parametrize(
    "form",
    [torch.Tensor.int, torch.Tensor.byte, _turned, _by_item, lambda pairs: pairs[:, [3, 1, 0, 2]]],
    ids=["int32", "uint8", "not contiguous", "sorted by item", "another order"],
)
def test_edges_of_any_integers_in_any_order_are_the_same(form: Any) -> None:
    graph = other_graph()
    store = graph["person", "rates", "film"]
    store.edge_index = form(store.edge_index)
    assert_same(Interactions.from_pyg(graph, user="person", item="film"), _others())


def _others() -> Interactions:
    return Interactions.from_pyg(other_graph(), user="person", item="film")


def test_a_time_is_that_of_its_edge_and_of_edges_that_occur_twice_the_last() -> None:
    data = Interactions.from_pyg(other_graph(time=torch.tensor([[1], [2], [3], [4]])), user="person", item="film")
    assert data.read_details is not None
    assert data.read_details().times["train"].tolist() == [3.0, 4.0, 1.0]  # (0, 1) twice, (2, 0), (2, 3)


def test_words_attributes_and_edges_that_are_not_ours_are_not_read() -> None:
    graph = ToUndirected()(other_graph(rating=torch.tensor([5, 3, 4, 1])))
    graph["word"].x = torch.ones(2, 1)
    graph["attribute"].x = torch.ones(2, 1)
    graph["film", "has", "attribute"].edge_index = torch.tensor([[0], [1]])
    data = Interactions.from_pyg(graph, user="person", item="film")
    assert_same(data, _others())
    assert data.read_content is None
    assert data.read_details is None


def _wrong(change: Any) -> HeteroData:
    graph = other_graph()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["person", "rates", "film"].update({"edge_index": torch.tensor([[3], [0]])}), "does not have"),
        (lambda g: g["person", "rates", "film"].update({"edge_index": torch.tensor([[-1], [0]])}), "does not have"),
        (lambda g: g["person", "rates", "film"].update({"edge_index": torch.tensor([[0.5], [0]])}), "integers"),
        (lambda g: g["person"].update({"ids": ["a", "b", "a"]}), "doubled"),
        (lambda g: g["person"].update({"ids": ["a", "b", None]}), "missing"),
        (lambda g: g["person"].update({"ids": torch.tensor([1.0, 2.0, torch.nan])}), "missing"),
        (lambda g: g["person"].update({"ids": torch.tensor([[1], [2], [3]])}), "missing"),
        (lambda g: g["person"].update({"ids": ["a", "b", "c", "d"]}), "3 nodes 'person' but 4 ids"),
        (lambda g: g["person", "rates", "film"].pop("edge_index"), "no tensor edge_index"),
        (lambda g: g["person", "rates", "film"].update({"time": torch.ones(3)}), "time is a tensor with a value"),
        (lambda g: g["person", "rates", "film"].update({"time": [1, 2, 3, 4]}), "time is a tensor with a value"),
        (lambda g: g["person", "rates", "film"].update({"train_mask": torch.ones(2).bool()}), "train_mask is a tensor"),
        (lambda g: g["person", "rates", "film"].update({"train_mask": torch.arange(4)}), "train_mask is a mask"),
        (
            lambda g: g["person", "rates", "film"].update(
                {"train_mask": torch.ones(4).bool(), "test_mask": torch.arange(4) == 1}
            ),
            "more than one split",
        ),
        (lambda g: g["film"].update({"vectors_text": torch.ones(2, 3)}), "a row for each of 4 items"),
        (lambda g: g["film"].update({"vectors_text": torch.ones(4)}), "a row for each of 4 items"),
        (lambda g: g["person", "likes", "film"].update({"edge_index": torch.tensor([[0], [0]])}), "2 relations"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Interactions.from_pyg(_wrong(change), user="person", item="film")


def test_attributes_of_nodes_that_are_not_there_are_refused() -> None:
    graph = detailed().to_pyg()
    graph["item", "has", "attribute"].edge_index = torch.tensor([[0], [7]])
    with pytest.raises(InputError, match="does not have"):
        Interactions.from_pyg(graph)


def test_what_is_no_graph_of_several_kinds_is_refused() -> None:
    with pytest.raises(InputError, match="not Data"):
        Interactions.from_pyg(Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]])))


def test_a_graph_without_users_is_refused() -> None:
    with pytest.raises(InputError, match="no nodes 'user'; there are person, film"):
        Interactions.from_pyg(other_graph())


# ------------------------------------------------------------------------------------------------------- dependencies

NAMES = st.sampled_from(["web|cpu", "web|latency", "db|cpu", "db", "web", "cache"])


@_SLOW
@given(
    edges=st.lists(st.builds(Edge, NAMES, NAMES, st.booleans(), st.booleans()), max_size=8),
    kpi=st.sampled_from([None, 0, 2]),
)
def test_any_dependencies_come_back_as_they_went(edges: list[Edge], kpi: int | None) -> None:
    topology = Topology(("web|cpu", "web|latency", "db|cpu"), kpi, tuple(edges))
    graph = topology.to_pyg()
    graph.validate()
    assert Topology.from_pyg(graph) == topology


def test_cycles_loops_and_metrics_without_an_edge_come_back() -> None:
    edges = (Edge("a", "b"), Edge("b", "a"), Edge("b", "b"), Edge("a", "b"))
    topology = Topology(("alone", "a", "b"), 0, edges)
    assert Topology.from_pyg(topology.to_pyg()) == topology


def test_dependencies_of_a_plain_graph_are_known() -> None:
    graph = Data(names=["a", "b"], edge_index=torch.tensor([[0], [1]]))
    assert Topology.from_pyg(graph) == Topology(("a", "b"), None, (Edge("a", "b"),))


@pytest.mark.parametrize(
    "graph",
    [
        Data(edge_index=torch.tensor([[0], [1]])),
        Data(names=["a", "a"], edge_index=torch.tensor([[0], [1]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0], [2]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0], [1]]), is_kpi=torch.tensor([True, True])),
        Data(names=["a", None], edge_index=torch.tensor([[0], [1]])),
        Data(names=["a", "b"], num_nodes=3, edge_index=torch.tensor([[0], [1]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0.0], [1.0]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[False], [True]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0, 1], [1, 0], [0, 1]])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0], [1]]), known=torch.tensor([True, False])),
        Data(names=["a", "b"], edge_index=torch.tensor([[0], [1]]), is_metric=torch.tensor([True])),
        Data(
            names=["a", "b"],
            edge_index=torch.tensor([[0], [1]]),
            is_metric=torch.tensor([True, False]),
            is_kpi=torch.tensor([False, True]),
        ),
        other_graph(),
    ],
)
def test_dependencies_that_make_no_sense_are_refused(graph: Any) -> None:
    with pytest.raises(InputError):
        Topology.from_pyg(graph)


# -------------------------------------------------------------------------------------------------------------- files


def test_interactions_come_back_from_files(tmp_path: Path) -> None:
    graph = detailed().to_pyg()
    write_graph(graph, tmp_path / "graph")
    assert sorted(file.name for file in (tmp_path / "graph").iterdir()) == ["graph.json", "graph.safetensors"]
    back = read_graph(tmp_path / "graph")
    assert_same(Interactions.from_pyg(back), detailed())
    index = back["user", "takes", "item"].edge_index
    assert isinstance(index, EdgeIndex)
    assert (index.sort_order, index.sparse_size()) == ("row", (3, 3))
    assert back.node_types == graph.node_types
    assert back.edge_types == graph.edge_types


def test_dependencies_come_back_from_files(tmp_path: Path) -> None:
    topology = Topology(("a|x", "b|y"), 1, (Edge("a", "b|y", known=False),))
    write_graph(topology.to_pyg(), tmp_path / "graph")
    assert Topology.from_pyg(read_graph(tmp_path / "graph")) == topology


def test_what_no_file_of_tensors_and_texts_holds_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="secret is a object"):
        write_graph(Data(x=torch.ones(2, 1), secret=object()), tmp_path / "graph")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over_or_beside(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    for folder in (tmp_path / "graph", tmp_path / "nowhere" / "graph"):
        with pytest.raises(InputError):
            write_graph(Data(x=torch.ones(1, 1)), folder)


def test_changed_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "graph"
    write_graph(detailed().to_pyg(), folder)
    tensors, document = load_file(folder / "graph.safetensors"), (folder / "graph.json").read_text()
    edges = next(name for name in tensors if name.endswith("edge_index"))
    save_file({**tensors, edges: tensors[edges] + 9}, folder / "graph.safetensors")
    with pytest.raises(InputError, match="cannot be read"):
        read_graph(folder)
    save_file(tensors, folder / "graph.safetensors")
    (folder / "graph.json").write_text(json.dumps({**json.loads(document), "format": "something else"}))
    with pytest.raises(InputError, match="another format"):
        read_graph(folder)
    with pytest.raises(InputError, match="no graph"):
        read_graph(tmp_path / "nowhere")
