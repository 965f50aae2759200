"""Bring an encoder of PyTorch Geometric: on the board beside a control, with factors, and the edges behind an item.

python examples/pyg_encoder.py
"""

import tempfile

import torch
from torch_geometric.nn import SAGEConv

import distaff
from distaff.board.board import board
from distaff.runs import records, training
from distaff_data.planted.samples import sample
from distaff_graph.collaborative.edges import edges_behind


class Mine(torch.nn.Module):
    """A convolution beside what it starts from."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.in_channels, self.convolution = width, SAGEConv(width, width)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return x + self.convolution(x, edge_index)


with tempfile.TemporaryDirectory() as folder:
    workspace, data = distaff.Workspace.create(folder + "/workspace"), "planted-interactions"
    sample(workspace, data, n_users=200, n_items=100, n_events=5_000, n_intents=4)
    settings = {"encoder": Mine(), "lr": 0.01, "batch_size": 1024, "max_epochs": 12}
    run, model = training.fit_run(workspace, training.FitPlan("pyg", data, settings=settings))
    training.train(workspace, "popularity", data)
    print(*((row.model, row.metrics["recall@20"].mean) for row in board(workspace, data).rows), sep="\n")
    base = str(records.model_folder(workspace, run.run))
    print(distaff.PostHoc(base=base, n_intents=4).fit(model.data).factors().item_frame())
    best = model.recommend(["u0001"], k=1)["item_id"][0]
    print(edges_behind(model, "u0001", best).head())
