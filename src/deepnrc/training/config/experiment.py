"""What an experiment is: its data, network, training and measurements, each value checked.

One TOML file holds one `ExperimentConfig`, a table for each of its parts. Unknown keys, values of
another type and combinations that cannot be are refused by name (`deepnrc.training.config.file`).
"""

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deepnrc.models.mlp import ACTIVATIONS
from deepnrc.monitoring.monitor import log_spaced

__all__ = [
    "DataConfig",
    "ExperimentConfig",
    "MLPConfig",
    "MeasureConfig",
    "ModelConfig",
    "ResNetConfig",
    "TrainingConfig",
]

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Above0 = Annotated[float, Field(gt=0.0)]


class _Table(BaseModel):
    """Strict, so that ``epochs = "10"`` is an error and not 10; whole numbers pass as floats."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=False,
        protected_namespaces=(),
    )


class DataConfig(_Table):
    """The data set: arguments of `deepnrc.data.load`.

    Attributes:
        name: As ``deepnrc data list`` shows it.
        path: Real files, or None for the set built or made here.
        samples: Rows; None takes the set's own number.
        seed: Of a set that is built or made.
        split_seed: Of the split in train and test part.
        test_fraction: Share of rows in the test part.
        standardize: Whether columns are scaled by the train part; None is the set's default.
        options: What only this set takes, such as a teacher's ``rank``.
    """

    name: str
    path: str | None = None
    samples: Annotated[int, Field(ge=2)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    split_seed: Annotated[int, Field(ge=0)] = 42
    test_fraction: Share = 0.2
    standardize: bool | None = None
    options: dict[str, Any] = {}


class MLPConfig(_Table):
    """A fully connected network: arguments of `deepnrc.models.MLP`."""

    kind: Literal["mlp"] = "mlp"
    width: Positive = 256
    depth: Positive = 8
    activation: str = "relu"
    norm: Literal["none", "batch", "layer"] = "none"
    bias: bool = False
    init: Literal["he", "torch"] = "he"

    @field_validator("activation")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ACTIVATIONS:
            near = difflib.get_close_matches(value, ACTIVATIONS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"must be one of {', '.join(ACTIVATIONS)}; {hint}got {value!r}")
        return value


class ResNetConfig(_Table):
    """A residual network for images: `deepnrc.models.resnet18` or ``resnet34``.

    Attributes:
        kind: Which.
        head: Widths of the head's hidden layers; empty for one linear layer.
    """

    kind: Literal["resnet18", "resnet34"]
    head: list[Positive] = []


ModelConfig = Annotated[MLPConfig | ResNetConfig, Field(discriminator="kind")]


class TrainingConfig(_Table):
    """How the mean squared error is minimised.

    Attributes:
        epochs: Passes over the training data.
        lr: Learning rate before the schedule changes it.
        weight_decay: The optimiser's: SGD and Adam add ``weight_decay`` × weight to the gradient,
            AdamW shrinks the weights apart from it.
        decay: Whether ``weight_decay`` acts on ``"all"`` parameters, as in [RU26], or only on
            ``"matrices"``: parameters of two or more axes, so neither biases nor normalisation.
        batch_size: Samples a step.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        momentum: Of SGD; None is 0.9.
        nesterov: Whether SGD's momentum is Nesterov's.
        betas: Of Adam and AdamW; None is (0.9, 0.999).
        schedule: ``"multistep"``, ``"cosine"`` (from ``lr`` to 0 over the epochs) or
            ``"constant"``.
        milestones: Shares of the epochs after which a multi-step schedule multiplies by
            ``gamma``; None is a third and two thirds.
        gamma: Of a multi-step schedule; None is 0.1.
        clip_norm: Gradients of a larger norm are scaled down to this one.
        ufm_lambda_h: λ_H on the features that the last layer reads, in place of weight decay.
        ufm_lambda_w: λ_W on the last layer's weight. With them the loss is 2/t times that of the
            unconstrained feature model [A24, section 3],
            (1/2M)‖predictions − Y‖² + (λ_H/2M)‖H‖² + (λ_W/2)‖W‖².
        precision: ``"float32"``, or ``"bf16"`` for autocast in the forward pass; weights,
            optimiser and measurements stay float32.
        compile: Whether the loss is compiled by torch.compile; not for bit-identical comparison
            with a run that is not.
        device: ``"auto"`` is the GPU where there is one, otherwise the CPU.
    """

    epochs: Positive
    lr: Above0
    weight_decay: NotNegative = 0.0
    decay: Literal["all", "matrices"] = "all"
    batch_size: Positive = 128
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    nesterov: bool = False
    betas: list[Annotated[float, Field(ge=0.0, lt=1.0)]] | None = None
    schedule: Literal["multistep", "cosine", "constant"] = "multistep"
    milestones: list[Share] | None = None
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    clip_norm: Above0 | None = None
    ufm_lambda_h: Above0 | None = None
    ufm_lambda_w: Above0 | None = None
    precision: Literal["float32", "bf16"] = "float32"
    compile: bool = False
    device: str = "auto"

    @model_validator(mode="after")
    def _possible(self) -> "TrainingConfig":
        sgd, multistep = self.optimizer == "sgd", self.schedule == "multistep"
        for key, belongs, owner in (
            ("momentum", sgd, "optimizer = 'sgd'"),
            ("nesterov", sgd, "optimizer = 'sgd'"),
            ("betas", not sgd, "optimizer = 'adam' or 'adamw'"),
            ("milestones", multistep, "schedule = 'multistep'"),
            ("gamma", multistep, "schedule = 'multistep'"),
        ):
            if getattr(self, key) not in (None, False) and not belongs:
                raise ValueError(f"{key} goes with {owner} only: leave it out, or change that")
        if self.betas is not None and len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers; got {len(self.betas)}")
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs a momentum above 0")
        if (self.ufm_lambda_h is None) != (self.ufm_lambda_w is None):
            raise ValueError(
                "ufm_lambda_h and ufm_lambda_w go together: with one alone, features or weight "
                "could shrink to nothing while the other makes up for it"
            )
        if self.ufm_lambda_h is not None and self.weight_decay > 0.0:
            raise ValueError(
                "ufm_lambda_h and ufm_lambda_w stand in place of weight decay: set "
                f"weight_decay = 0 (it is {self.weight_decay:g}), or leave them out"
            )
        return self


class MeasureConfig(_Table):
    """When and how the network is measured along the way.

    Attributes:
        epochs: At these; or …
        every: … at each multiple of this and the last; or …
        log_spaced: … at so many, evenly spaced in the logarithm. None of the three: 70 log-spaced
            ones, as many as [RU26]'s runs are measured at. Epoch 0 is the untrained network.
        test: Whether the test part is measured too.
        samples: Rows of each part that are measured; None is all.
        layers: Names or globs; None is every weight layer.
        signal_rank: k of NRC1–3, or ``"targets"``; None is the target dimension.
        center: As in `deepnrc.measure`.
        intercept: As in `deepnrc.measure`.
        last_layer: As in `deepnrc.measure`: 2024's NRC1 and NRC2 too.
    """

    epochs: list[Annotated[int, Field(ge=0)]] | None = None
    every: Positive | None = None
    log_spaced: Positive | None = None
    test: bool = True
    samples: Positive | None = None
    layers: list[str] | None = None
    signal_rank: int | str | None = None
    center: bool = True
    intercept: bool = True
    last_layer: Literal["paper2024", "centred"] | None = None

    @field_validator("signal_rank")
    @classmethod
    def _rank(cls, value: int | str | None) -> int | str | None:
        if value not in (None, "targets") and (isinstance(value, str) or value < 1):
            raise ValueError(f"must be a whole number of at least 1, or 'targets'; got {value!r}")
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> "MeasureConfig":
        given = [key for key in ("epochs", "every", "log_spaced") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: keep one")
        return self

    def options(self) -> dict[str, Any]:
        """How to measure, as keyword arguments of `deepnrc.measure`."""
        names = ("layers", "signal_rank", "center", "intercept", "last_layer")
        return {name: getattr(self, name) for name in names}

    def schedule(self, epochs: int) -> tuple[int, ...]:
        """The epochs to measure at, ascending, of a run of so many."""
        if self.epochs is not None:
            return tuple(sorted(set(self.epochs)))
        if self.every is not None:
            return tuple(sorted({*range(0, epochs + 1, self.every), epochs}))
        return log_spaced(epochs, self.log_spaced or 70)


class ExperimentConfig(_Table):
    """One run.

    Attributes:
        name: Of the experiment; its folder is ``runs/NAME`` unless told otherwise.
        seed: Of the initial weights and the order of the samples.
        data: The data set.
        model: The network.
        training: How it is trained.
        measure: What is measured along the way.
    """

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataConfig
    model: ModelConfig = MLPConfig()
    training: TrainingConfig
    measure: MeasureConfig = MeasureConfig()

    @field_validator("model", mode="before")
    @classmethod
    def _mlp_unless_told(cls, value: Any) -> Any:
        return {"kind": "mlp", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _within_the_run(self) -> "ExperimentConfig":
        last = max(self.measure.epochs or [0])
        if last > self.training.epochs:
            raise ValueError(
                f"measure.epochs goes up to {last}, but training.epochs is {self.training.epochs}"
            )
        return self
