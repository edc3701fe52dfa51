"""Theory that is executable: the unconstrained feature model, shallow and deep.

It shares nothing with the measuring side but linear algebra: where the two agree, that is
evidence.
"""

from deepnrc.theory.conventions import Convention, UFMPenalties
from deepnrc.theory.covariance import target_moments
from deepnrc.theory.deep_optimize import DeepUFMSolution, minimize_deep_ufm
from deepnrc.theory.deep_ufm import DeepUFMOptimum, deep_ufm_optimum
from deepnrc.theory.interpolation import InterpolatingSolution, sample_interpolating
from deepnrc.theory.optimize import (
    SolverStatus,
    UFMSolution,
    minimize_ufm,
    targets_with_covariance,
)
from deepnrc.theory.preprocess import (
    PreprocessingError,
    PreprocessingErrors,
    TaskErrors,
    preprocessing_errors,
    task_errors,
)
from deepnrc.theory.slack import (
    TheoryGap,
    c_from_error,
    c_from_gram,
    objective,
    profiled_objective,
    relative_gram_error,
    theory_gap,
)
from deepnrc.theory.ufm import Regime, UFMOptimum, ufm_optimum

__all__ = [
    "Convention",
    "DeepUFMOptimum",
    "DeepUFMSolution",
    "InterpolatingSolution",
    "PreprocessingError",
    "PreprocessingErrors",
    "Regime",
    "SolverStatus",
    "TaskErrors",
    "TheoryGap",
    "UFMOptimum",
    "UFMPenalties",
    "UFMSolution",
    "c_from_error",
    "c_from_gram",
    "deep_ufm_optimum",
    "minimize_deep_ufm",
    "minimize_ufm",
    "objective",
    "preprocessing_errors",
    "profiled_objective",
    "relative_gram_error",
    "sample_interpolating",
    "target_moments",
    "targets_with_covariance",
    "task_errors",
    "theory_gap",
    "ufm_optimum",
]
