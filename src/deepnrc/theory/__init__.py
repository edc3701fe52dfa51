"""The unconstrained feature model, shallow and deep: closed forms, and solvers that check them.

It shares only linear algebra with the measuring side: where the two agree, that is evidence.
"""

from deepnrc.theory.chain import SolverStatus
from deepnrc.theory.conventions import Convention, UFMPenalties
from deepnrc.theory.covariance import target_moments, target_rounding, targets_with_covariance
from deepnrc.theory.deep_optimize import DeepUFMSolution, minimize_deep_ufm
from deepnrc.theory.deep_optimum import DeepUFMOptimum
from deepnrc.theory.deep_ufm import deep_ufm_optimum
from deepnrc.theory.effective_c import c_from_error, c_from_gram
from deepnrc.theory.gap import (
    TheoryGap,
    objective,
    profiled_objective,
    relative_gram_error,
    theory_gap,
)
from deepnrc.theory.interpolation import InterpolatingSolution, sample_interpolating
from deepnrc.theory.optimize import UFMSolution, minimize_ufm
from deepnrc.theory.optimum import Regime, UFMOptimum
from deepnrc.theory.preprocess import (
    PreprocessingError,
    PreprocessingErrors,
    preprocessing_errors,
)
from deepnrc.theory.tasks import TaskErrors, task_errors
from deepnrc.theory.ufm import ufm_optimum

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
    "target_rounding",
    "targets_with_covariance",
    "task_errors",
    "theory_gap",
    "ufm_optimum",
]
