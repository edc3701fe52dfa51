"""The table ``[training]``: how the mean squared error is minimized."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from deepnrc.training.config.table import Share, Table

__all__ = ["TrainingConfig"]

Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]


class TrainingConfig(Table):
    """How the mean squared error is minimized.

    Attributes:
        epochs: Passes over the training data.
        lr: Learning rate before the schedule changes it.
        weight_decay: The optimizer's: SGD and Adam add ``weight_decay`` × weight to the gradient,
            AdamW shrinks the weights separately.
        decay: Whether ``weight_decay`` acts on ``"all"`` parameters, as in [RU26], or only on
            ``"matrices"``: parameters of two or more axes, so neither biases nor normalization.
        batch_size: Samples per step.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        momentum: Of SGD; None is 0.9.
        nesterov: Whether SGD's momentum is Nesterov's.
        betas: Of Adam and AdamW, two numbers; None is (0.9, 0.999).
        schedule: ``"multistep"``, ``"cosine"`` (from ``lr`` to 0 over the epochs) or
            ``"constant"``.
        milestones: Shares of the epochs after which a multi-step schedule multiplies by
            ``gamma``; None is one third and two thirds.
        gamma: Of a multi-step schedule; None is 0.1.
        clip_norm: Gradients of a larger norm are scaled down to this one.
        ufm_lambda_h: λ_H on the features that the last layer reads, instead of weight decay.
        ufm_lambda_w: λ_W on the last layer's weight. With both the loss is 2/t times that of the
            unconstrained feature model [A24, section 3],
            (1/2M)‖predictions − Y‖² + (λ_H/2M)‖H‖² + (λ_W/2)‖W‖².
        precision: ``"float32"``, or ``"bf16"`` for autocast in the forward pass; weights,
            optimizer and measurements stay float32.
        compile: Whether the loss is compiled by torch.compile. A compiled run and an uncompiled
            one are not bit-identical.
        device: ``"auto"`` is the GPU if there is one, otherwise the CPU.
    """

    epochs: PositiveInt
    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0
    decay: Literal["all", "matrices"] = "all"
    batch_size: PositiveInt = 128
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Momentum | None = None
    nesterov: bool = False
    betas: Annotated[list[Momentum], Field(min_length=2, max_length=2)] | None = None
    schedule: Literal["multistep", "cosine", "constant"] = "multistep"
    milestones: list[Share] | None = None
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    clip_norm: PositiveFloat | None = None
    ufm_lambda_h: PositiveFloat | None = None
    ufm_lambda_w: PositiveFloat | None = None
    precision: Literal["float32", "bf16"] = "float32"
    compile: bool = False
    device: str = "auto"

    @model_validator(mode="after")
    def _options_fit_together(self) -> "TrainingConfig":
        sgd, multistep = self.optimizer == "sgd", self.schedule == "multistep"
        for key, applies, owner in (
            ("momentum", sgd, "optimizer = 'sgd'"),
            ("nesterov", sgd, "optimizer = 'sgd'"),
            ("betas", not sgd, "optimizer = 'adam' or 'adamw'"),
            ("milestones", multistep, "schedule = 'multistep'"),
            ("gamma", multistep, "schedule = 'multistep'"),
        ):
            if getattr(self, key) not in (None, False) and not applies:
                raise ValueError(f"{key} needs {owner}: leave it out, or change that")
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs a momentum above 0")
        if (self.ufm_lambda_h is None) != (self.ufm_lambda_w is None):
            raise ValueError(
                "ufm_lambda_h and ufm_lambda_w must be set together: with one alone, features or "
                "weight could shrink to nothing while the other compensates"
            )
        if self.ufm_lambda_h is not None and self.weight_decay > 0.0:
            raise ValueError(
                "ufm_lambda_h and ufm_lambda_w replace weight decay: set weight_decay = 0 (it is "
                f"{self.weight_decay:g}), or leave them out"
            )
        return self
