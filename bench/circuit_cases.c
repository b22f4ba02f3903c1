/* The cases of `mzv bench circuit`. A circuit with parameters, keys or inputs of its own brings its own
 * functions; one that maps random slots to slots is a recipe of circuit_elementwise.c, circuit_rows.c or
 * circuit_norms.c. */
#include "bench/circuit.h"

#define FUNCTION(name, recipe)                                                                               \
    {                                                                                                        \
        name, mzv_function_open, mzv_function_run, mzv_function_verify, mzv_function_close, &(recipe),       \
            mzv_function_handles                                                                             \
    }

const mzv_circuit_case mzv_circuit_cases[] = {
    FUNCTION("exp [-16, 0]", mzv_recipe_exp),
    FUNCTION("1/x [1, 128]", mzv_recipe_inverse),
    FUNCTION("x^-1/2 [0.1, 100]", mzv_recipe_root),
    FUNCTION("x^-1/2 nexus [0.1, 100]", mzv_recipe_root_nexus),
    FUNCTION("GELU [-8, 8]", mzv_recipe_gelu),
    FUNCTION("GELU [-60, 60]", mzv_recipe_gelu_wide),
    FUNCTION("GELU nexus [-60, 60]", mzv_recipe_gelu_nexus),
    FUNCTION("GELU tanh [-8, 8]", mzv_recipe_gelu_tanh),
    FUNCTION("tanh [-8, 8]", mzv_recipe_tanh),
    FUNCTION("sigmoid [-12, 12]", mzv_recipe_sigmoid),
    FUNCTION("SiLU [-12, 12]", mzv_recipe_silu),
    FUNCTION("sign 2^-4", mzv_recipe_sign),
    FUNCTION("sign nexus 2^-4", mzv_recipe_sign_nexus),
    FUNCTION("max [-1, 1]", mzv_recipe_max),
    FUNCTION("quickmax [-1, 1] of 2", mzv_recipe_quickmax),
    FUNCTION("argmax [-1, 1] of 2", mzv_recipe_argmax),
    FUNCTION("softmax [-4, 4] of 128", mzv_recipe_softmax_narrow),
    FUNCTION("softmax [-16, 16] of 128", mzv_recipe_softmax),
    FUNCTION("softmax [-64, 64] of 128", mzv_recipe_softmax_wide),
    FUNCTION("softmax square [-4, 4] of 128", mzv_recipe_softmax_square),
    FUNCTION("softmax square [-64, 64] of 128", mzv_recipe_softmax_square_wide),
    FUNCTION("softmax nexus [-2, 2] of 2", mzv_recipe_softmax_nexus),
    FUNCTION("softmax nexus [-64, 64] of 128", mzv_recipe_softmax_nexus_wide),
    FUNCTION("LayerNorm of 128", mzv_recipe_layernorm),
    FUNCTION("LayerNorm nexus of 128", mzv_recipe_layernorm_nexus),
    FUNCTION("RMSNorm of 128", mzv_recipe_rmsnorm),
    { 0 },
};
