"""Graph to graph: the same network in fewer and more regular operators, ready for quantisation."""

from collections.abc import Callable

import onnx_ir as ir

from lithify.optimize.affine import fold_affine
from lithify.optimize.attention import expand_attention
from lithify.optimize.bias import fold_bias
from lithify.optimize.caches import place_caches
from lithify.optimize.choices import pair_choices
from lithify.optimize.constants import fold_constants
from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.einsum import expand_einsum
from lithify.optimize.flatten import fold_flattened
from lithify.optimize.gemm import make_gemm
from lithify.optimize.group_norm import join_group_norms
from lithify.optimize.identity import remove_identity
from lithify.optimize.indices import plain_indices
from lithify.optimize.layer_norm import join_norms
from lithify.optimize.limits import merge_limits
from lithify.optimize.many import pair_many
from lithify.optimize.masks import simplify_masks
from lithify.optimize.matrices import count_matrices, scale_factors
from lithify.optimize.mean import pool_means
from lithify.optimize.norm_outputs import split_norm_outputs
from lithify.optimize.normalize import convolve_norms
from lithify.optimize.orders import search_scores
from lithify.optimize.padding import fold_padding
from lithify.optimize.plain import plain_products
from lithify.optimize.prelu import split_prelus
from lithify.optimize.ranks import level_ranks
from lithify.optimize.recurrent import unroll_recurrent
from lithify.optimize.reshape import unify_reshapes
from lithify.optimize.sequences import image_sequences
from lithify.optimize.transposes import move_transposes
from lithify.optimize.volumes import image_volumes

Pass = Callable[[ir.Model], ir.Model]

PASSES: tuple[Pass, ...] = (
    fold_constants,
    remove_identity,
    expand_attention,
    place_caches,
    plain_indices,
    plain_products,
    split_norm_outputs,
    pair_many,
    search_scores,
    simplify_masks,
    pair_choices,
    join_norms,
    join_group_norms,
    expand_einsum,
    unroll_recurrent,
    move_transposes,
    merge_limits,
    image_volumes,
    image_sequences,
    pool_means,
    count_matrices,
    level_ranks,
    unify_reshapes,
    fold_padding,
    make_gemm,
    fold_flattened,
    split_prelus,
    fold_bias,
    scale_factors,
    fold_affine,
    convolve_norms,
    fold_bias,
    fold_affine,
    unify_reshapes,
    remove_dead_code,
)
"""Every pass in its order. Each leaves its argument as it is and returns a new model of the same meaning."""


def optimize(model: ir.Model) -> ir.Model:
    """The model after all passes: equal to it up to float rounding, and bit by bit where it is quantised already.

    model: shapes fixed, as `frontend.load` leaves it. Names of inputs and outputs stay.
    """
    for apply in PASSES:
        model = apply(model)
    return model


__all__ = ["PASSES", "Pass", "optimize"]
