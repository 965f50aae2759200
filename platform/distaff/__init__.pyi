# Written by: python -m distaff.model.stubs
"""Distaff: learns disentangled factors from behaviour and telemetry, and shows each beside its control."""

from typing import Literal

from distaff._version import __version__ as __version__
from distaff.incidents.base import Diagnoser as Diagnoser
from distaff.model.base import Model as Model
from distaff.recommenders.base import Recommender as Recommender
from distaff.recommenders.intents import Intents as Intents
from distaff.series.model import SeriesModel as SeriesModel
from distaff_data.datasets.incidents import Case as Case
from distaff_data.datasets.incidents import Incidents as Incidents
from distaff_data.datasets.interactions import Interactions as Interactions
from distaff_data.datasets.series import Series as Series
from distaff_data.errors import DistaffError as DistaffError
from distaff_data.errors import InputError as InputError
from distaff_data.errors import UnknownNameError as UnknownNameError
from distaff_data.errors import UnsupportedError as UnsupportedError
from distaff_data.workspace import Workspace as Workspace
from distaff_graph.collaborative.dccf import DCCF as _DCCF
from distaff_graph.collaborative.lightgcn import LightGCN as _LightGCN
from distaff_graph.controls.als import ALS as _ALS
from distaff_graph.controls.chebycf import ChebyCF as _ChebyCF
from distaff_graph.controls.ease import EASE as _EASE
from distaff_graph.controls.edlae import EDLAE as _EDLAE
from distaff_graph.controls.graph_filter import GFCF as _GFCF
from distaff_graph.controls.graph_filter import GraphFilter as _GraphFilter
from distaff_graph.controls.graph_filter import LowPass as _LowPass
from distaff_graph.controls.ica import ICA as _ICA
from distaff_graph.controls.item_knn import ItemKNN as _ItemKNN
from distaff_graph.controls.lda import LDA as _LDA
from distaff_graph.controls.nmf import NMF as _NMF
from distaff_graph.controls.popularity import Popularity as _Popularity
from distaff_graph.controls.posthoc import PostHoc as _PostHoc
from distaff_graph.controls.puresvd import PureSVD as _PureSVD
from distaff_graph.controls.rp3beta import RP3Beta as _RP3Beta
from distaff_graph.controls.seminmf import SemiNMF as _SemiNMF
from distaff_graph.controls.sparse_ease import SparseEASE as _SparseEASE
from distaff_graph.controls.user_knn import UserKNN as _UserKNN
from distaff_graph.controls.varimax import Varimax as _Varimax
from distaff_graph.dgvae.graph_control import GraphMacridVAE as _GraphMacridVAE
from distaff_graph.dgvae.models import DGVAE as _DGVAE
from distaff_graph.dgvae.models import MacridVAE as _MacridVAE
from distaff_graph.dgvae.models import MultiVAE as _MultiVAE
from distaff_graph.diagnosis.controls.components import PRISM as _PRISM
from distaff_graph.diagnosis.controls.graphs import OnsetOrder as _OnsetOrder
from distaff_graph.diagnosis.controls.graphs import PageRank as _PageRank
from distaff_graph.diagnosis.controls.graphs import PCPageRank as _PCPageRank
from distaff_graph.diagnosis.controls.graphs import Recency as _Recency
from distaff_graph.diagnosis.controls.interventions import RCD as _RCD
from distaff_graph.diagnosis.controls.mechanisms import CIRCA as _CIRCA
from distaff_graph.diagnosis.controls.mechanisms import CIRCAOnPC as _CIRCAOnPC
from distaff_graph.diagnosis.controls.mechanisms import HypothesisTest as _HypothesisTest
from distaff_graph.diagnosis.controls.scores import BARO as _BARO
from distaff_graph.diagnosis.controls.scores import EpsilonDiagnosis as _EpsilonDiagnosis
from distaff_graph.diagnosis.controls.scores import FloorZ as _FloorZ
from distaff_graph.diagnosis.controls.scores import KPICorrelation as _KPICorrelation
from distaff_graph.diagnosis.controls.scores import NSigma as _NSigma
from distaff_graph.diagnosis.controls.scores import Random as _Random
from distaff_graph.diagnosis.controls.traversal import Traversal as _Traversal
from distaff_graph.diagnosis.coral.model import CORAL as _CORAL
from distaff_graph.encoders.controls import GAT as _GAT
from distaff_graph.encoders.controls import GIN as _GIN
from distaff_graph.encoders.controls import VGAE as _VGAE
from distaff_graph.encoders.controls import GraphSAGE as _GraphSAGE
from distaff_graph.encoders.controls import LightGCNPyG as _LightGCNPyG
from distaff_graph.encoders.model import PyG as _PyG
from distaff_graph.plait.blend import Blend as _Blend
from distaff_graph.plait.model import Plait as _Plait
from distaff_timeseries.blend import ForecastBlend as _ForecastBlend
from distaff_timeseries.controls.catch22 import Catch22 as _Catch22
from distaff_timeseries.controls.hydra import Hydra as _Hydra
from distaff_timeseries.controls.minirocket import MiniRocket as _MiniRocket
from distaff_timeseries.controls.multirocket import MultiRocket as _MultiRocket
from distaff_timeseries.controls.naive import Drift as _Drift
from distaff_timeseries.controls.naive import Naive as _Naive
from distaff_timeseries.controls.one_nn import OneNN as _OneNN
from distaff_timeseries.controls.pca import PCA as _PCA
from distaff_timeseries.controls.quant import Quant as _Quant
from distaff_timeseries.controls.random_encoder import RandomEncoder as _RandomEncoder
from distaff_timeseries.controls.raw_ridge import RawRidge as _RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive as _SeasonalNaive
from distaff_timeseries.controls.series_ica import SeriesICA as _SeriesICA
from distaff_timeseries.controls.sparse_linear import SparseLinear as _SparseLinear
from distaff_timeseries.controls.theta import Theta as _Theta
from distaff_timeseries.dts.models import DTS as _DTS
from distaff_timeseries.dts.models import VAE as _VAE
from distaff_timeseries.dts.models import BetaTCVAE as _BetaTCVAE
from distaff_timeseries.dts.models import BetaVAE as _BetaVAE
from distaff_timeseries.sparse_codes import SparseCodes as _SparseCodes
from distaff_timeseries.timedrl.model import TimeDRL as _TimeDRL

__all__ = [
    "ALS",
    "BARO",
    "CIRCA",
    "CORAL",
    "DCCF",
    "DGVAE",
    "DTS",
    "EASE",
    "EDLAE",
    "GAT",
    "GFCF",
    "GIN",
    "ICA",
    "LDA",
    "NMF",
    "PCA",
    "PRISM",
    "RCD",
    "VAE",
    "VGAE",
    "BetaTCVAE",
    "BetaVAE",
    "Blend",
    "CIRCAOnPC",
    "Case",
    "Catch22",
    "ChebyCF",
    "Diagnoser",
    "DistaffError",
    "Drift",
    "EpsilonDiagnosis",
    "FloorZ",
    "ForecastBlend",
    "GraphFilter",
    "GraphMacridVAE",
    "GraphSAGE",
    "Hydra",
    "HypothesisTest",
    "Incidents",
    "InputError",
    "Intents",
    "Interactions",
    "ItemKNN",
    "KPICorrelation",
    "LightGCN",
    "LightGCNPyG",
    "LowPass",
    "MacridVAE",
    "MiniRocket",
    "Model",
    "MultiRocket",
    "MultiVAE",
    "NSigma",
    "Naive",
    "OneNN",
    "OnsetOrder",
    "PCPageRank",
    "PageRank",
    "Plait",
    "Popularity",
    "PostHoc",
    "PureSVD",
    "PyG",
    "Quant",
    "RP3Beta",
    "Random",
    "RandomEncoder",
    "RawRidge",
    "Recency",
    "Recommender",
    "SeasonalNaive",
    "SemiNMF",
    "Series",
    "SeriesICA",
    "SeriesModel",
    "SparseCodes",
    "SparseEASE",
    "SparseLinear",
    "Theta",
    "TimeDRL",
    "Traversal",
    "UnknownNameError",
    "UnsupportedError",
    "UserKNN",
    "Varimax",
    "Workspace",
    "__version__",
]

class ALS(_ALS):
    """Minimises sum c_ui (x_ui - u . i)^2 + reg (|U|^2 + |I|^2), with c = ``confidence`` where x = 1 and 1 elsewhere.

    Args:
        embedding_dim: Numbers a user and an item.
        reg: Weight of the squared norms.
        confidence: Weight of an interaction, where the absence of one weighs 1.
        n_iterations: Alternations.
    """

    def __init__(
        self,
        *,
        embedding_dim: int = 128,
        reg: float = 30.0,
        confidence: float = 5.0,
        n_iterations: int = 15,
    ) -> None: ...

class BARO(_BARO):
    """BARO's robust scorer: largest rise above the median, in inter-quartile ranges (Pham, Ha & Zhang, FSE 2024).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class BetaTCVAE(_BetaTCVAE):
    """Beta-TCVAE (Chen et al. 2018): the total correlation costs beta, the others 1.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        encoder: Convolutions (``conv``), an LSTM, a network of the window's Fourier ``wave``s and their powers, or of
            its line and leading ``season``.
        decoder: Likewise; each is given the latents alone, the LSTM at every step. That of a ``season`` keeps size,
            period and direction apart; see :mod:`distaff_timeseries.dts.seasons`.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Gives an LSTM decoder the value before, as published LSTM autoencoders do; it then tends to
            ignore the latents.
        noise: Variance of the Gaussian likelihood, in scaled units: ``fixed`` at 1 (mean squared error), ``learned``
            for each channel, or ``predicted`` from the latents for each window and channel, so that latents can hold
            the noise.
        spectrum: Weight of the likelihood of the window's log power spectrum beside that of its values. A wave whose
            phase is wrong is worth nothing as values; as a spectrum it is, so that latents find period and amplitude
            first.
        spectrum_first: Share of the training in which the values' likelihood grows from a hundredth to its full weight,
            so that the spectrum says which waves there are before the values say which way they go: the other way round
            a wave whose direction is not known yet is unlearned.
        angles: How many of the latents, the last ones, are angles: with a uniform prior on the circle, and from -pi to
            pi wherever latents are shown. A phase has no other single latent.
        estimator: How a batch stands for all windows; see :mod:`distaff_timeseries.dts.decomposition`.
        free_bits: Nats of divergence that cost a latent nothing.
        warmup: Share of the training in which the penalties grow to their full weight.
        window_step: Rows between the starts of training windows.
        weight_decay: AdamW's.
        latent_dim: K, latents of a window.
        beta: Weight of the total correlation.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 128,
        max_epochs: int = 60,
        eval_every: int = 1,
        patience: int = 10,
        encoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        decoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        hidden: int = 64,
        teacher_forcing: bool = False,
        noise: Literal["fixed", "learned", "predicted"] = "predicted",
        spectrum: float = 0.0,
        spectrum_first: float = 0.0,
        angles: int = 0,
        estimator: Literal["weighted", "stratified"] = "stratified",
        free_bits: float = 0.0,
        warmup: float = 0.2,
        window_step: int = 1,
        weight_decay: float = 0.0001,
        latent_dim: int = 10,
        beta: float = 6.0,
    ) -> None: ...

class BetaVAE(_BetaVAE):
    """Beta-VAE (Higgins et al. 2017): every part costs beta.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        encoder: Convolutions (``conv``), an LSTM, a network of the window's Fourier ``wave``s and their powers, or of
            its line and leading ``season``.
        decoder: Likewise; each is given the latents alone, the LSTM at every step. That of a ``season`` keeps size,
            period and direction apart; see :mod:`distaff_timeseries.dts.seasons`.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Gives an LSTM decoder the value before, as published LSTM autoencoders do; it then tends to
            ignore the latents.
        noise: Variance of the Gaussian likelihood, in scaled units: ``fixed`` at 1 (mean squared error), ``learned``
            for each channel, or ``predicted`` from the latents for each window and channel, so that latents can hold
            the noise.
        spectrum: Weight of the likelihood of the window's log power spectrum beside that of its values. A wave whose
            phase is wrong is worth nothing as values; as a spectrum it is, so that latents find period and amplitude
            first.
        spectrum_first: Share of the training in which the values' likelihood grows from a hundredth to its full weight,
            so that the spectrum says which waves there are before the values say which way they go: the other way round
            a wave whose direction is not known yet is unlearned.
        angles: How many of the latents, the last ones, are angles: with a uniform prior on the circle, and from -pi to
            pi wherever latents are shown. A phase has no other single latent.
        estimator: How a batch stands for all windows; see :mod:`distaff_timeseries.dts.decomposition`.
        free_bits: Nats of divergence that cost a latent nothing.
        warmup: Share of the training in which the penalties grow to their full weight.
        window_step: Rows between the starts of training windows.
        weight_decay: AdamW's.
        latent_dim: K, latents of a window.
        beta: Weight of the whole divergence.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 128,
        max_epochs: int = 60,
        eval_every: int = 1,
        patience: int = 10,
        encoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        decoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        hidden: int = 64,
        teacher_forcing: bool = False,
        noise: Literal["fixed", "learned", "predicted"] = "predicted",
        spectrum: float = 0.0,
        spectrum_first: float = 0.0,
        angles: int = 0,
        estimator: Literal["weighted", "stratified"] = "stratified",
        free_bits: float = 0.0,
        warmup: float = 0.2,
        window_step: int = 1,
        weight_decay: float = 0.0001,
        latent_dim: int = 10,
        beta: float = 4.0,
    ) -> None: ...

class Blend(_Blend):
    """Scores are the weighted sum of components' scores, each over its length; which, and at what weights, validation says.

    Args:
        components: Components with their settings, such as ``ease:penalty=50,als:embedding_dim=32``; chosen on
            validation when left out.
        weights: A weight for each of them, in any unit; chosen on validation when left out. With weights nothing is
            chosen.
        max_gb: Memory that an item-item matrix may take; components that need more are left out.
    """

    def __init__(
        self,
        *,
        components: tuple[str, ...] | None = None,
        weights: tuple[float, ...] | None = None,
        max_gb: float = 2.0,
    ) -> None: ...

class Catch22(_Catch22):
    """Features of channels, side by side; the library takes one channel of one window a call, about 0.2 ms each.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class ChebyCF(_ChebyCF):
    """Scores are x D_i^-b (h(P) + w V V^T) D_i^b, with P the items' normalised graph and V its leading eigenvectors.

    Args:
        order: Degree of the polynomial.
        flatness: Power of the distance from the middle of the spectrum; the higher, the flatter is the pass there.
        embedding_dim: Eigenvectors that the low-pass filter lets pass; at most as many as there are users or items.
        low_pass: Weight of the low-pass filter beside the polynomial; 0 leaves it out.
        item_exponent: Power of an item's number of interactions that it is divided by before and multiplied by after.
    """

    def __init__(
        self,
        *,
        order: int = 8,
        flatness: float = 1.5,
        embedding_dim: int = 256,
        low_pass: float = 0.2,
        item_exponent: float = 0.4,
    ) -> None: ...

class CIRCA(_CIRCA):
    """Hypothesis tests, adjusted by descendants: what made others anomalous too comes before what did not.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class CIRCAOnPC(_CIRCAOnPC):
    """CIRCA's tests on the graph that PC learns, as RCAEval runs them, where no graph is known (Pham et al., ASE 2024).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class CORAL(_CORAL):
    """Causal graph of what stayed and what changed, and blame sent up it from the KPI.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
        base: seconds of a stream that are normal at its start; 0: 200 rows
        patience: seconds after which a state is the new normal; 0: ten bases
        batch: rows taken at a time
        learner: how the causal graph is learned
        graph: use what is known of dependencies
        learn: learn dependencies that are not known
        level: levels count beside extremes
        distribution: distributions count beside extremes
        order: the order of onsets counts beside extremes
        remainder: what all other metrics leave of one counts beside extremes
        components: what is inside of an entity and outside of it count together
        novelty: robust z that a constant which moves counts at most
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
        base: float = 0.0,
        patience: float = 0.0,
        batch: int = 60,
        learner: Literal["linear", "neural"] = "linear",
        graph: bool = True,
        learn: bool = True,
        level: bool = True,
        distribution: bool = True,
        order: bool = True,
        remainder: bool = True,
        components: bool = True,
        novelty: float = 100.0,
    ) -> None: ...

class DCCF(_DCCF):
    """Scores by inner products of E = X_0 + ... + X_L, trained with BPR and InfoNCE between views of each layer.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node.
        n_layers: L, graph layers.
        n_intents: K, prototypes of users and as many of items.
        temperature: tau of InfoNCE.
        ssl_reg: Weight of InfoNCE, lambda_1.
        emb_reg: Weight of the squares of embeddings, lambda_2.
        cen_reg: Weight of the squares of prototypes, lambda_3.
        reg_on: ``batch``: the rows that each sample looks up, counted as often as they are; ``all``: the whole table.
        sampling: ``users``: ``samples_per_epoch`` draws of a uniform user and one of their items; ``interactions``:
            every interaction once an epoch.
        samples_per_epoch: With ``sampling="users"``, whatever the size of the data.
        item_divisor: What the items' InfoNCE is divided by: the number of distinct ``items`` of the batch, or of
            ``users`` (which RLMRec's code does).
        init: How embeddings and prototypes start.
        users_a_part: For graphs that do not fit: how many users' interactions a step's graph holds; all when None. See
            :mod:`distaff_graph.collaborative.partition`; the masked means, which are shares, need no scale, but count a
            user's own part in an item more often than the whole graph does.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 10240,
        max_epochs: int = 150,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 32,
        n_layers: int = 2,
        n_intents: int = 128,
        temperature: float = 1.0,
        ssl_reg: float = 0.1,
        emb_reg: float = 2.5e-05,
        cen_reg: float = 0.005,
        reg_on: Literal["batch", "all"] = "batch",
        sampling: Literal["users", "interactions"] = "users",
        samples_per_epoch: int = 409600,
        item_divisor: Literal["items", "users"] = "items",
        init: Literal["xavier_uniform", "xavier_normal"] = "xavier_normal",
        users_a_part: int | None = None,
    ) -> None: ...

class DGVAE(_DGVAE):
    """DGVAE (Zhou and Miao, TMM 2024): a branch over items and one over words that read each other, factor by factor.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d of vectors and codes.
        dropout: Share of the encoder's input left out.
        kl_cap: Weight of the divergence once it is full.
        kl_epochs: Epochs in which it grows to ``kl_cap``, whatever the batch size. The authors count steps towards
            20,000, which their 100 epochs of 38 never reach.
        kl_steps: The authors' schedule instead: min(kl_cap, step / kl_steps).
        n_intents: K, factors.
        temperature: Of memberships and decoder.
        decoder_temperature: Of the decoder, where it has one of its own: softer scores than memberships.
        std: Deviation of the code's noise.
        start: As above; ``spectral`` here, so that a factor has words and items that belong together. ``random`` takes
            more epochs for lists that are as good or a little better, and its factors matter nearly equally to
            everybody.
        text_weight: lambda_text, of the words' likelihood and divergence.
        mi_weight: lambda_reg, of the mutual information.
        n_neighbours: k of the item graph, the item itself included.
        text_share: Share of the text modality in the item graph; the others divide the rest equally.
        item_graph: Spread a user's items over the graph before they are encoded.
        min_df: Least number of people whose items have a word.
        max_df: Largest share of people whose items have it.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 512,
        max_epochs: int = 100,
        eval_every: int = 1,
        patience: int = 20,
        embedding_dim: int = 64,
        dropout: float = 0.5,
        kl_cap: float = 0.2,
        kl_epochs: float = 100,
        kl_steps: int | None = None,
        n_intents: int = 3,
        temperature: float = 0.1,
        decoder_temperature: float | None = None,
        std: float = 0.075,
        start: Literal["random", "spectral"] = "spectral",
        text_weight: float = 0.2,
        mi_weight: float = 0.4,
        n_neighbours: int = 10,
        text_share: float = 0.96,
        item_graph: bool = True,
        min_df: int = 5,
        max_df: float = 0.6,
    ) -> None: ...

class Drift(_Drift):
    """The line through the first and the last measured value of the window.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class DTS(_DTS):
    """Independent latents in segments tied to concepts.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        encoder: Convolutions (``conv``), an LSTM, a network of the window's Fourier ``wave``s and their powers, or of
            its line and leading ``season``.
        decoder: Likewise; each is given the latents alone, the LSTM at every step. That of a ``season`` keeps size,
            period and direction apart; see :mod:`distaff_timeseries.dts.seasons`.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Gives an LSTM decoder the value before, as published LSTM autoencoders do; it then tends to
            ignore the latents.
        noise: Variance of the Gaussian likelihood, in scaled units: ``fixed`` at 1 (mean squared error), ``learned``
            for each channel, or ``predicted`` from the latents for each window and channel, so that latents can hold
            the noise.
        spectrum: Weight of the likelihood of the window's log power spectrum beside that of its values. A wave whose
            phase is wrong is worth nothing as values; as a spectrum it is, so that latents find period and amplitude
            first.
        spectrum_first: Share of the training in which the values' likelihood grows from a hundredth to its full weight,
            so that the spectrum says which waves there are before the values say which way they go: the other way round
            a wave whose direction is not known yet is unlearned.
        angles: How many of the latents, the last ones, are angles: with a uniform prior on the circle, and from -pi to
            pi wherever latents are shown. A phase has no other single latent.
        estimator: How a batch stands for all windows; see :mod:`distaff_timeseries.dts.decomposition`.
        free_bits: Nats of divergence that cost a latent nothing.
        warmup: Share of the training in which the penalties grow to their full weight.
        window_step: Rows between the starts of training windows.
        weight_decay: AdamW's.
        segments: Latents by concept, in their order: ``class:4,group:4,free:8``. A segment whose concept has no labels
            in the data is free.
        alpha: Weight of the mutual information that is given back: 1 cancels its penalty, more rewards it.
        beta: Weight of the total correlation.
        gamma: Weight of the latents' own divergences.
        adversary: What is read from a segment against its will: other segments' ``labels``, their ``latents``, or
            nothing.
        eta: Weight of the heads that predict a segment's own concept.
        xi: Weight of the adversaries.
        bottleneck: ``gaussian``, or ``quantized`` (QLAE), which has no divergences to weigh.
        n_values: Values of a quantised latent.
        commitment: Weight of what rounding costs.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 128,
        max_epochs: int = 60,
        eval_every: int = 1,
        patience: int = 10,
        encoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        decoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        hidden: int = 64,
        teacher_forcing: bool = False,
        noise: Literal["fixed", "learned", "predicted"] = "predicted",
        spectrum: float = 0.0,
        spectrum_first: float = 0.0,
        angles: int = 0,
        estimator: Literal["weighted", "stratified"] = "stratified",
        free_bits: float = 0.0,
        warmup: float = 0.2,
        window_step: int = 1,
        weight_decay: float = 0.0001,
        segments: tuple[str, ...] = ("free:10",),
        alpha: float = 1.0,
        beta: float = 5.0,
        gamma: float = 1.0,
        adversary: Literal["none", "labels", "latents"] = "labels",
        eta: float = 1.0,
        xi: float = 1.0,
        bottleneck: Literal["gaussian", "quantized"] = "gaussian",
        n_values: int = 12,
        commitment: float = 1.0,
    ) -> None: ...

class EASE(_EASE):
    """Scores are X B, where B minimises |X - X B|^2 + penalty |B|^2 with a zero diagonal.

    Args:
        penalty: Weight of the squared entries of B, in interactions.
        max_gb: Memory that fitting may take. EASE needs 12 bytes a pair of items in double precision and 4 in single;
            the more precise one that fits is used.
    """

    def __init__(
        self,
        *,
        penalty: float = 250.0,
        max_gb: float = 8.0,
    ) -> None: ...

class EDLAE(_EDLAE):
    """Scores are X B, where B has a zero diagonal and minimises the expectation of |X - D(X) B|^2 plus penalty |B|^2.

    Args:
        penalty: Weight of the squared entries of B, in interactions.
        max_gb: Memory that fitting may take. EASE needs 12 bytes a pair of items in double precision and 4 in single;
            the more precise one that fits is used.
        dropout: Share of a history's interactions that are left out at random, on average over all ways to leave out.
    """

    def __init__(
        self,
        *,
        penalty: float = 250.0,
        max_gb: float = 8.0,
        dropout: float = 0.3,
    ) -> None: ...

class EpsilonDiagnosis(_EpsilonDiagnosis):
    """Energy distance between what a metric was and what it is: epsilon-diagnosis (Shan et al., WWW 2019).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class FloorZ(_FloorZ):
    """Largest robust deviation with a floor under its scale, free of units.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class ForecastBlend(_ForecastBlend):
    """Ridges on windows of several lengths, of all entities and of each, and simple forecasts, in a weighted mean.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class GAT(_GAT):
    """GAT (Veličković et al., ICLR 2018): neighbours' rows weighted by a learned attention, several at once.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the
            positive's share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs
            that are none; or ``infonce``, the logarithm of the share that the cosine of user and positive has among the
            cosines of the user and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
        heads: Attentions a layer; the embedding is divided among them.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr",
        temperature: float = 0.2,
        reg: float = 0.0001,
        n_neighbours: int | None = None,
        heads: int = 4,
    ) -> None: ...

class GFCF(_GFCF):
    """Scores are x P + w x D_i^-1/2 V V^T D_i^1/2, with V the leading right singular vectors of D_u^-1/2 R D_i^-1/2.

    Args:
        embedding_dim: Eigenvectors that the low-pass filter lets pass; at most as many as there are users or items.
        low_pass: Weight of the low-pass filter beside the first degree.
    """

    def __init__(
        self,
        *,
        embedding_dim: int = 256,
        low_pass: float = 0.3,
    ) -> None: ...

class GIN(_GIN):
    """GIN (Xu et al., ICLR 2019): a node's own row and the sum of its neighbours', through a perceptron of two layers.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the
            positive's share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs
            that are none; or ``infonce``, the logarithm of the share that the cosine of user and positive has among the
            cosines of the user and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr",
        temperature: float = 0.2,
        reg: float = 0.0001,
        n_neighbours: int | None = None,
    ) -> None: ...

class GraphFilter(_GraphFilter):
    """Scores are x P^order, with P = R~^T R~ and R~ = D_u^-a R D_i^-b: walks of that many steps over shared users.

    Args:
        order: Degree of the polynomial.
        user_exponent: a, of users' numbers of interactions.
        item_exponent: b, of items'; above 1/2 it holds popular items back.
    """

    def __init__(
        self,
        *,
        order: int = 1,
        user_exponent: float = 0.5,
        item_exponent: float = 0.3,
    ) -> None: ...

class GraphSAGE(_GraphSAGE):
    """GraphSAGE (Hamilton, Ying and Leskovec, NeurIPS 2017): a node's own row and the mean of its neighbours', mapped.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the
            positive's share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs
            that are none; or ``infonce``, the logarithm of the share that the cosine of user and positive has among the
            cosines of the user and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr",
        temperature: float = 0.2,
        reg: float = 0.0001,
        n_neighbours: int | None = None,
    ) -> None: ...

class Hydra(_Hydra):
    """How often, and how strongly, each kernel wins its group (Dempster, Schmidt and Webb, DMKD 2023), all dilations.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "ridge",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class HypothesisTest(_HypothesisTest):
    """Regression-based hypothesis tests alone: the largest |z| that a metric's causes leave.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class ICA(_ICA):
    """PureSVD whose users X V are written as S A^T, the K columns of S as independent over users as can be.

    Args:
        n_intents: K, the singular vectors kept; at most as many as there are users or items.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
    ) -> None: ...

class ItemKNN(_ItemKNN):
    """Scores of an item add up its similarity to those items of the history that are among its nearest.

    Args:
        n_neighbours: Most similar items kept of each item.
        shrinkage: Added to the denominator of the cosine, so that few shared users count for less.
    """

    def __init__(
        self,
        *,
        n_neighbours: int = 100,
        shrinkage: float = 10.0,
    ) -> None: ...

class KPICorrelation(_KPICorrelation):
    """Absolute correlation with the KPI over all rows; without a KPI every metric scores 0.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class LDA(_LDA):
    """Scores are a user's expected topics times the topics' expected items, the probability of each item.

    Args:
        n_intents: K, topics.
        user_prior: Dirichlet concentration of users' shares.
        item_prior: Dirichlet concentration of the topics over items.
        max_iterations: Upper limit of passes over the users.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
        user_prior: float = 0.3,
        item_prior: float = 0.1,
        max_iterations: int = 30,
    ) -> None: ...

class LightGCN(_LightGCN):
    """Scores by inner products of E = sum over layers of (D^-1/2 A D^-1/2)^l X_0, trained with BPR.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node.
        n_layers: L, propagations.
        reg: Weight of the squared norm.
        reg_on: ``batch``: half the squares of the sampled rows over the batch size (the paper's code); ``all``: the
            squares of all parameters (RLMRec).
        readout: Mean of the layers (the paper) or their sum (RLMRec).
        edge_keep: Share of the adjacency's entries kept in each step, the two directions of an edge drawn separately
            and what is kept not scaled up (RLMRec); 1 keeps all.
        init: How embeddings start.
        users_a_part: For graphs that do not fit: how many users' interactions a step's graph holds; all when None. See
            :mod:`distaff_graph.collaborative.partition`.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 2048,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 3,
        reg: float = 0.0001,
        reg_on: Literal["batch", "all"] = "batch",
        readout: Literal["mean", "sum"] = "mean",
        edge_keep: float = 1.0,
        init: Literal["xavier_uniform", "xavier_normal"] = "xavier_uniform",
        users_a_part: int | None = None,
    ) -> None: ...

class LightGCNPyG(_LightGCNPyG):
    """LightGCN (He et al., SIGIR 2020) of the library's own convolutions: what our ``lightgcn`` is checked against.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the
            positive's share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs
            that are none; or ``infonce``, the logarithm of the share that the cosine of user and positive has among the
            cosines of the user and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr",
        temperature: float = 0.2,
        reg: float = 0.0001,
        n_neighbours: int | None = None,
    ) -> None: ...

class LowPass(_LowPass):
    """Scores are x D_i^-b V V^T D_i^b, with V the leading right singular vectors of D_u^-1/2 R D_i^-1/2.

    Args:
        embedding_dim: Eigenvectors that pass; at most as many as there are users or items.
        item_exponent: Power of an item's number of interactions that it is divided by before and multiplied by after.
    """

    def __init__(
        self,
        *,
        embedding_dim: int = 512,
        item_exponent: float = 0.5,
    ) -> None: ...

class MacridVAE(_MacridVAE):
    """MacridVAE (Ma et al., NeurIPS 2019), as DGVAE builds on it: users' items divided among K factors, a code for each.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d of vectors and codes.
        dropout: Share of the encoder's input left out.
        kl_cap: Weight of the divergence once it is full.
        kl_epochs: Epochs in which it grows to ``kl_cap``, whatever the batch size. The authors count steps towards
            20,000, which their 100 epochs of 38 never reach.
        kl_steps: The authors' schedule instead: min(kl_cap, step / kl_steps).
        n_intents: K, factors.
        temperature: Of memberships and decoder.
        decoder_temperature: Of the decoder, where it has one of its own: softer scores than memberships.
        std: Deviation of the code's noise.
        start: Where vectors and prototypes begin: ``random``, as the authors have it, or ``spectral``, at a co-
            clustering of the training data (:mod:`distaff_graph.dgvae.initialisation`).
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 512,
        max_epochs: int = 100,
        eval_every: int = 1,
        patience: int = 20,
        embedding_dim: int = 64,
        dropout: float = 0.5,
        kl_cap: float = 0.2,
        kl_epochs: float = 100,
        kl_steps: int | None = None,
        n_intents: int = 3,
        temperature: float = 0.1,
        decoder_temperature: float | None = None,
        std: float = 0.075,
        start: Literal["random", "spectral"] = "random",
    ) -> None: ...

class GraphMacridVAE(_GraphMacridVAE):
    """MacridVAE whose users' items spread over DGVAE's graph of items before they are encoded.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d of vectors and codes.
        dropout: Share of the encoder's input left out.
        kl_cap: Weight of the divergence once it is full.
        kl_epochs: Epochs in which it grows to ``kl_cap``, whatever the batch size. The authors count steps towards
            20,000, which their 100 epochs of 38 never reach.
        kl_steps: The authors' schedule instead: min(kl_cap, step / kl_steps).
        n_intents: K, factors.
        temperature: Of memberships and decoder.
        decoder_temperature: Of the decoder, where it has one of its own: softer scores than memberships.
        std: Deviation of the code's noise.
        start: Where vectors and prototypes begin: ``random``, as the authors have it, or ``spectral``, at a co-
            clustering of the training data (:mod:`distaff_graph.dgvae.initialisation`).
        n_neighbours: k of the item graph, the item itself included.
        text_share: Share of the text modality in the item graph; the others divide the rest equally.
        min_df: Least number of people whose items have a word.
        max_df: Largest share of people whose items have it.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 512,
        max_epochs: int = 100,
        eval_every: int = 1,
        patience: int = 20,
        embedding_dim: int = 64,
        dropout: float = 0.5,
        kl_cap: float = 0.2,
        kl_epochs: float = 100,
        kl_steps: int | None = None,
        n_intents: int = 3,
        temperature: float = 0.1,
        decoder_temperature: float | None = None,
        std: float = 0.075,
        start: Literal["random", "spectral"] = "random",
        n_neighbours: int = 10,
        text_share: float = 0.96,
        min_df: int = 5,
        max_df: float = 0.6,
    ) -> None: ...

class MiniRocket(_MiniRocket):
    """Proportions of positive values after fixed kernels (Dempster, Schmidt and Webb, KDD 2021), all channels together.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        n_features: Proportions of a window; rounded down to a multiple of 84.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "ridge",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        n_features: int = 9996,
    ) -> None: ...

class MultiRocket(_MultiRocket):
    """Share, mean, mean place and longest stretch of positive values (Tan, Dempster, Bergmeir and Webb, DMKD 2022).

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        n_features: Summaries of a window; rounded down to a multiple of 672.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "ridge",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        n_features: int = 9408,
    ) -> None: ...

class MultiVAE(_MultiVAE):
    """Multi-VAE (Liang et al., WWW 2018): one Gaussian code a user, a multinomial over items.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d of vectors and codes.
        dropout: Share of the encoder's input left out.
        kl_cap: Weight of the divergence once it is full.
        kl_epochs: Epochs in which it grows to ``kl_cap``, whatever the batch size. The authors count steps towards
            20,000, which their 100 epochs of 38 never reach.
        kl_steps: The authors' schedule instead: min(kl_cap, step / kl_steps).
        n_hidden: Width of the tanh layer on either side of the code.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 512,
        max_epochs: int = 100,
        eval_every: int = 1,
        patience: int = 20,
        embedding_dim: int = 200,
        dropout: float = 0.5,
        kl_cap: float = 0.2,
        kl_epochs: float = 100,
        kl_steps: int | None = None,
        n_hidden: int = 600,
    ) -> None: ...

class Naive(_Naive):
    """The last measured value of the window, again and again; the training mean where there is none.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class NMF(_NMF):
    """Scores are W H^T, both non-negative: every intent can only add.

    Args:
        n_intents: K, parts; at most as many as there are users or items.
        max_iterations: Upper limit of multiplicative updates.
        init: ``nndsvda``: from the singular vectors, the same for every seed; ``random``: from the seed, whose spread
            tells how stable the parts are.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
        max_iterations: int = 200,
        init: str = "nndsvda",
    ) -> None: ...

class NSigma(_NSigma):
    """Largest rise above the normal mean, in normal standard deviations (Pham et al., ASE 2024).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class OneNN(_OneNN):
    """The raw window under the head that asks the nearest training window.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "nearest",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class OnsetOrder(_OnsetOrder):
    """Whatever changed first; what the graph says cannot act on the KPI comes last.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class PageRank(_PageRank):
    """PageRank on the given graph turned round, so that weight flows from effects to causes.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class PCPageRank(_PCPageRank):
    """PageRank on the graph that PC learns from all rows, through ``causal-learn`` (RCAEval's PC-PageRank, ASE 2024).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class PCA(_PCA):
    """Scores of the leading principal components of scaled windows, all channels together.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        n_components: Components kept; at most as many as there are numbers in a window or windows.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        n_components: int = 32,
    ) -> None: ...

class Plait(_Plait):
    """Scores are those of a blend that chooses itself, with a mixture whose intents split every score exactly.

    Args:
        components: Components with their settings, such as ``ease:penalty=50,als:embedding_dim=32``; chosen on
            validation when left out.
        weights: A weight for each of them, in any unit; chosen on validation when left out. With weights nothing is
            chosen.
        max_gb: Memory that an item-item matrix may take; components that need more are left out.
        intent_share: Weight of the mixture's own score beside the components'; chosen on validation when left out.
        n_intents: K; the one that makes validation interactions likeliest when left out.
    """

    def __init__(
        self,
        *,
        components: tuple[str, ...] | None = None,
        weights: tuple[float, ...] | None = None,
        max_gb: float = 2.0,
        intent_share: float | None = None,
        n_intents: int | None = None,
    ) -> None: ...

class Popularity(_Popularity):
    """Ranks items by their number of training interactions, the same for everyone."""
    def __init__(self) -> None: ...

class PostHoc(_PostHoc):
    """Scores are the base model's; intents are factors of its embeddings, of users and items together.

    Args:
        base: The model that has the embeddings: a name, which is fitted with its defaults and the run's seed, or the
            folder of a fitted one, such as ``workspace/runs/RUN/model``.
        method: The factorisation; on planted intents varimax recovers most from LightGCN and DCCF alike.
        n_intents: K; at most as many as there are embedding dimensions.
    """

    def __init__(
        self,
        *,
        base: str = "lightgcn",
        method: Literal["varimax", "seminmf", "ica"] = "varimax",
        n_intents: int = 16,
    ) -> None: ...

class PRISM(_PRISM):
    """Largest deviation inside of a component and largest one outside, in normal deviations, each counting (PRISM, 2026).

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class PureSVD(_PureSVD):
    """Scores are X V V^T, with V the K leading right singular vectors of the binary training matrix X.

    Args:
        n_intents: K, the singular vectors kept; at most as many as there are users or items.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
    ) -> None: ...

class PyG(_PyG):
    """Any encoder of PyTorch Geometric over the graph of interactions, with our losses, sampling and measures.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the
            positive's share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs
            that are none; or ``infonce``, the logarithm of the share that the cosine of user and positive has among the
            cosines of the user and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
        encoder: A class of ``torch_geometric.nn.models`` that turns ``x, edge_index`` into vectors, such as
            ``torch_geometric.nn.models.GIN``; in Python also an object of any class, ``torch.nn.Module``.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr",
        temperature: float = 0.2,
        reg: float = 0.0001,
        n_neighbours: int | None = None,
        encoder: str = "torch_geometric.nn.models.GraphSAGE",
    ) -> None: ...

class Quant(_Quant):
    """Quantiles of each channel over dyadic intervals (Dempster, Schmidt and Webb, DMKD 2024), of four representations.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "ridge",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class Random(_Random):
    """Any order: the worth of a ranking that knows nothing.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class RandomEncoder(_RandomEncoder):
    """The same encoder with random weights; settings that concern training mean nothing here.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        patch_len: P, rows of a patch; cut to the window where that is shorter.
        stride: S, rows between patches.
        channel_independent: Whether channels are encoded one by one with shared weights; when None they are for
            forecasting and not where the dataset has labels, as in all published configurations.
        d_model: Numbers of an embedding.
        architecture: The encoder's body; see :mod:`distaff_timeseries.timedrl.bodies`.
        n_heads: Attention heads of a Transformer.
        n_layers: Layers of the body.
        dropout: Share of numbers dropped; the only difference between the two views.
        contrastive_weight: Lambda, weight of the instance-contrastive loss.
        stop_gradient: Off, only to show that instance embeddings then collapse.
        instance_norm: Whether a window loses its own level and scale before encoding; forecasts get them back.
        target: What the predictive loss compares with; when None ``raw`` where the dataset has labels, so that the
            embedding keeps the level of a window, and ``normalized`` elsewhere; see
            :mod:`distaff_timeseries.timedrl.model`.
        tokens: What a patch gives the encoder: its values, or the shares of its rows at which each of many fixed
            convolutions is above its threshold; see :mod:`distaff_timeseries.kernels`.
        n_proportions: How many convolutions, about.
        features: What the classifier reads: the ``instance`` embedding, the ``mean``, ``std`` and ``max`` over time of
            the time-stamp embeddings, and the ``proportions`` of the whole window where tokens are proportions.
        token_embedding: How a patch becomes a token; see :mod:`distaff_timeseries.timedrl.model`.
        kernel: Width of the convolution of ``conv``.
        position: Position vectors.
        window_step: Rows between the starts of training windows.
        concat_window: Whether the forecasting head sees the normalised window itself before the embeddings, which join
            it only where validation errors say so: a ridge on the raw window that the encoder may better.
        precision: Of products while training; ``bfloat16`` pays on GPUs and on CPUs that multiply it. Normalisation,
            losses and everything after training stay in ``float32``.
        weight_decay: AdamW's.
        finetune_epochs: Epochs, at most, in which the encoder learns classes too after its pretext, from the training
            windows whose labels count (``label_share``); validation chooses the epoch. With ``max_epochs=0`` it learns
            nothing but them.
        finetune_lr: AdamW's learning rate then.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.0003,
        lr_decay: float = 1.0,
        batch_size: int = 32,
        max_epochs: int = 10,
        eval_every: int = 1,
        patience: int = 5,
        patch_len: int = 16,
        stride: int = 16,
        channel_independent: bool | None = None,
        d_model: int = 64,
        architecture: Literal["transformer", "tcn", "lstm", "resnet"] = "transformer",
        n_heads: int = 2,
        n_layers: int = 2,
        dropout: float = 0.2,
        contrastive_weight: float = 0.5,
        stop_gradient: bool = True,
        instance_norm: bool = True,
        target: Literal["normalized", "raw"] | None = None,
        tokens: Literal["patches", "proportions"] = "patches",
        n_proportions: int = 840,
        features: tuple[Literal["instance", "mean", "std", "max", "proportions"], ...] = ("instance",),
        token_embedding: Literal["linear", "conv", "causal_conv"] = "linear",
        kernel: int = 3,
        position: Literal["none", "fixed", "learnable"] = "learnable",
        window_step: int = 1,
        concat_window: bool = False,
        precision: Literal["float32", "bfloat16"] = "float32",
        weight_decay: float = 0.0001,
        finetune_epochs: int = 0,
        finetune_lr: float = 0.0001,
    ) -> None: ...

class RawRidge(_RawRidge):
    """A ridge from the instance-normalised window to its future, one for all channels; classes from the scaled window.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
    ) -> None: ...

class RCD(_RCD):
    """Causes in the order in which tests of rising level find them; whatever they do not find comes last, tied.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class Recency(_Recency):
    """Whatever changed last before an alarm, direct causes of an alarm first.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class RP3Beta(_RP3Beta):
    """Scores are how often a walk from a random item of the history, over a user of it, ends at an item.

    Args:
        alpha: Power of the steps' probabilities; 1 walks at random.
        beta: Power of the popularity that scores are divided by; 0 gives P3alpha.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        beta: float = 0.5,
    ) -> None: ...

class SeasonalNaive(_SeasonalNaive):
    """The latest measured value at the same place of the season, again and again.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        season: Rows of a season; when None the peak of the autocorrelation, or 1, the last value, of least validation
            error.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        season: int | None = None,
    ) -> None: ...

class SemiNMF(_SemiNMF):
    """PureSVD whose users X V are approximated by G F^T with G >= 0 and K columns, F of any sign.

    Args:
        n_intents: K, the singular vectors kept; at most as many as there are users or items.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
    ) -> None: ...

class SeriesICA(_SeriesICA):
    """The subspace of PCA in the axes that are as independent as can be (Hyvärinen and Oja, Neural Networks 2000).

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        n_components: Components kept; at most as many as there are numbers in a window or windows.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        n_components: int = 32,
    ) -> None: ...

class SparseCodes(_SparseCodes):
    """Latents of a frozen encoder: how much of few directions, of many, a window's vector has; never less than none.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        base: The encoder: the name of a model of series, which is fitted with its defaults and the run's seed, or the
            folder of a fitted one, such as ``workspace/runs/RUN/model``.
        n_codes: Directions; those that explain nothing stay unused.
        n_active: Directions that a vector is rebuilt from.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.01,
        lr_decay: float = 1.0,
        batch_size: int = 256,
        max_epochs: int = 60,
        eval_every: int = 2,
        patience: int = 5,
        base: str = "timedrl",
        n_codes: int = 32,
        n_active: int = 4,
    ) -> None: ...

class SparseEASE(_SparseEASE):
    """Scores are X B, where column j of B minimises sum_u n_u^-a (x_uj - x_u b)^2 + penalty |b|^2 over b on j's nearest.

    Args:
        penalty: Weight of the squared entries of B, in interactions.
        n_neighbours: Items from which each is predicted, the nearest by cosine.
        user_exponent: Power of a user's number of interactions that the user's errors are divided by.
    """

    def __init__(
        self,
        *,
        penalty: float = 20.0,
        n_neighbours: int = 100,
        user_exponent: float = 0.0,
    ) -> None: ...

class SparseLinear(_SparseLinear):
    """A ridge from the values at one place of all seasons in the window to those at the same place of the next seasons.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        period: Rows of a season; when None the peak of the autocorrelation of least validation error.
        smooth: Whether the window's moving average over a season is read beside the window.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        period: int | None = None,
        smooth: bool = True,
    ) -> None: ...

class Theta(_Theta):
    """Simple exponential smoothing with half the window's slope, on what is left without its seasonal means.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        season: Rows of a season; when None the peak of the autocorrelation, or 1, the last value, of least validation
            error.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        season: int | None = None,
    ) -> None: ...

class TimeDRL(_TimeDRL):
    """Time-stamp and instance embeddings of series, disentangled by two losses on two slots of a Transformer.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        patch_len: P, rows of a patch; cut to the window where that is shorter.
        stride: S, rows between patches.
        channel_independent: Whether channels are encoded one by one with shared weights; when None they are for
            forecasting and not where the dataset has labels, as in all published configurations.
        d_model: Numbers of an embedding.
        architecture: The encoder's body; see :mod:`distaff_timeseries.timedrl.bodies`.
        n_heads: Attention heads of a Transformer.
        n_layers: Layers of the body.
        dropout: Share of numbers dropped; the only difference between the two views.
        contrastive_weight: Lambda, weight of the instance-contrastive loss.
        stop_gradient: Off, only to show that instance embeddings then collapse.
        instance_norm: Whether a window loses its own level and scale before encoding; forecasts get them back.
        target: What the predictive loss compares with; when None ``raw`` where the dataset has labels, so that the
            embedding keeps the level of a window, and ``normalized`` elsewhere; see
            :mod:`distaff_timeseries.timedrl.model`.
        tokens: What a patch gives the encoder: its values, or the shares of its rows at which each of many fixed
            convolutions is above its threshold; see :mod:`distaff_timeseries.kernels`.
        n_proportions: How many convolutions, about.
        features: What the classifier reads: the ``instance`` embedding, the ``mean``, ``std`` and ``max`` over time of
            the time-stamp embeddings, and the ``proportions`` of the whole window where tokens are proportions.
        token_embedding: How a patch becomes a token; see :mod:`distaff_timeseries.timedrl.model`.
        kernel: Width of the convolution of ``conv``.
        position: Position vectors.
        window_step: Rows between the starts of training windows.
        concat_window: Whether the forecasting head sees the normalised window itself before the embeddings, which join
            it only where validation errors say so: a ridge on the raw window that the encoder may better.
        precision: Of products while training; ``bfloat16`` pays on GPUs and on CPUs that multiply it. Normalisation,
            losses and everything after training stay in ``float32``.
        weight_decay: AdamW's.
        finetune_epochs: Epochs, at most, in which the encoder learns classes too after its pretext, from the training
            windows whose labels count (``label_share``); validation chooses the epoch. With ``max_epochs=0`` it learns
            nothing but them.
        finetune_lr: AdamW's learning rate then.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.0003,
        lr_decay: float = 1.0,
        batch_size: int = 32,
        max_epochs: int = 10,
        eval_every: int = 1,
        patience: int = 5,
        patch_len: int = 16,
        stride: int = 16,
        channel_independent: bool | None = None,
        d_model: int = 64,
        architecture: Literal["transformer", "tcn", "lstm", "resnet"] = "transformer",
        n_heads: int = 2,
        n_layers: int = 2,
        dropout: float = 0.2,
        contrastive_weight: float = 0.5,
        stop_gradient: bool = True,
        instance_norm: bool = True,
        target: Literal["normalized", "raw"] | None = None,
        tokens: Literal["patches", "proportions"] = "patches",
        n_proportions: int = 840,
        features: tuple[Literal["instance", "mean", "std", "max", "proportions"], ...] = ("instance",),
        token_embedding: Literal["linear", "conv", "causal_conv"] = "linear",
        kernel: int = 3,
        position: Literal["none", "fixed", "learnable"] = "learnable",
        window_step: int = 1,
        concat_window: bool = False,
        precision: Literal["float32", "bfloat16"] = "float32",
        weight_decay: float = 0.0001,
        finetune_epochs: int = 0,
        finetune_lr: float = 0.0001,
    ) -> None: ...

class Traversal(_Traversal):
    """Looks at metrics of the KPI's kind in one row, the third or the first one after it in which the KPI is anomalous.

    Args:
        onset: use the known onset, or find it
        changes: a CSV file of changes: time, entity, what
        changes_within: seconds before the onset in which changes are told
        windows: seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows
        quiet: seconds in which nothing is out that end an incident; 0: 30 rows
    """

    def __init__(
        self,
        *,
        onset: Literal["given", "detected"] = "given",
        changes: str = "",
        changes_within: float = 3600.0,
        windows: tuple[float, ...] = (),
        quiet: float = 0.0,
    ) -> None: ...

class UserKNN(_UserKNN):
    """Scores of an item add up the similarity of those who took it, among the users nearest to the history.

    Args:
        n_neighbours: Most similar users whose interactions count; users who are as similar as the last all do.
        shrinkage: Added to the denominator of the cosine, so that few shared items count for less.
        item_exponent: Power of an item's number of interactions that a shared item, and an item that is scored, is
            divided by; 0 lets popular items weigh as much as others.
    """

    def __init__(
        self,
        *,
        n_neighbours: int = 400,
        shrinkage: float = 0.0,
        item_exponent: float = 0.5,
    ) -> None: ...

class VAE(_VAE):
    """Variational autoencoder (Kingma and Welling 2014): every part of the divergence costs 1.

    Args:
        seq_len: Rows of a window; when None 96, or the longest entity where each entity is one window.
        horizons: Rows ahead at which forecasts are measured.
        forecaster: How the linear head of forecasts is found: ``ridge`` in closed form, ``sgd`` by gradient descent.
        classifier: The linear head of classes; see :mod:`distaff.series.heads.classify`.
        head_lr: Learning rate of heads found by ``sgd``, as are the two that follow; see
            :mod:`distaff.series.heads.sgd`.
        head_epochs: Their passes over the training windows.
        head_dropout: Share of the features that they do without at each step.
        label_share: Part of the labelled training windows' entities, of each class in proportion, whose labels are
            used.
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        encoder: Convolutions (``conv``), an LSTM, a network of the window's Fourier ``wave``s and their powers, or of
            its line and leading ``season``.
        decoder: Likewise; each is given the latents alone, the LSTM at every step. That of a ``season`` keeps size,
            period and direction apart; see :mod:`distaff_timeseries.dts.seasons`.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Gives an LSTM decoder the value before, as published LSTM autoencoders do; it then tends to
            ignore the latents.
        noise: Variance of the Gaussian likelihood, in scaled units: ``fixed`` at 1 (mean squared error), ``learned``
            for each channel, or ``predicted`` from the latents for each window and channel, so that latents can hold
            the noise.
        spectrum: Weight of the likelihood of the window's log power spectrum beside that of its values. A wave whose
            phase is wrong is worth nothing as values; as a spectrum it is, so that latents find period and amplitude
            first.
        spectrum_first: Share of the training in which the values' likelihood grows from a hundredth to its full weight,
            so that the spectrum says which waves there are before the values say which way they go: the other way round
            a wave whose direction is not known yet is unlearned.
        angles: How many of the latents, the last ones, are angles: with a uniform prior on the circle, and from -pi to
            pi wherever latents are shown. A phase has no other single latent.
        estimator: How a batch stands for all windows; see :mod:`distaff_timeseries.dts.decomposition`.
        free_bits: Nats of divergence that cost a latent nothing.
        warmup: Share of the training in which the penalties grow to their full weight.
        window_step: Rows between the starts of training windows.
        weight_decay: AdamW's.
        latent_dim: K, latents of a window.
    """

    def __init__(
        self,
        *,
        seq_len: int | None = None,
        horizons: tuple[int, ...] = (24,),
        forecaster: Literal["ridge", "sgd"] = "ridge",
        classifier: Literal["logistic", "ridge", "sgd", "nearest"] = "logistic",
        head_lr: float = 0.001,
        head_epochs: int = 30,
        head_dropout: float = 0.1,
        label_share: float = 1.0,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 128,
        max_epochs: int = 60,
        eval_every: int = 1,
        patience: int = 10,
        encoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        decoder: Literal["conv", "wave", "season", "lstm"] = "conv",
        hidden: int = 64,
        teacher_forcing: bool = False,
        noise: Literal["fixed", "learned", "predicted"] = "predicted",
        spectrum: float = 0.0,
        spectrum_first: float = 0.0,
        angles: int = 0,
        estimator: Literal["weighted", "stratified"] = "stratified",
        free_bits: float = 0.0,
        warmup: float = 0.2,
        window_step: int = 1,
        weight_decay: float = 0.0001,
        latent_dim: int = 10,
    ) -> None: ...

class Varimax(_Varimax):
    """PureSVD with V R instead of V, where the rotation R maximises the variance of squared loadings.

    Args:
        n_intents: K, the singular vectors kept; at most as many as there are users or items.
    """

    def __init__(
        self,
        *,
        n_intents: int = 64,
    ) -> None: ...

class VGAE(_VGAE):
    """VGAE (Kipf and Welling, 2016): a Gaussian code a node, and an edge as likely as the sigmoid of an inner product.

    Args:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its
            output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: As above; ``edges`` is the paper's.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: As above; the paper has none.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
        kl_weight: Weight of the divergence from the prior, a mean over nodes; the paper's is 1 over their number.
    """

    def __init__(
        self,
        *,
        lr: float = 0.001,
        lr_decay: float = 1.0,
        batch_size: int = 4096,
        max_epochs: int = 1000,
        eval_every: int = 3,
        patience: int = 5,
        embedding_dim: int = 64,
        n_layers: int = 2,
        dropout: float = 0.0,
        n_negatives: int = 1,
        loss: Literal["bpr", "softmax", "edges", "infonce"] = "edges",
        temperature: float = 0.2,
        reg: float = 0.0,
        n_neighbours: int | None = None,
        kl_weight: float = 0.001,
    ) -> None: ...
