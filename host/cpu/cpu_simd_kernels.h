/* The kernel table of one variant; included last. */
#include "cpu/cpu_simd_basis.h"
#include "cpu/cpu_simd_matmul.h"
#include "cpu/cpu_simd_pointwise.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define JOIN_OF(a, b) a##b
#define JOIN(a, b) JOIN_OF(a, b)

const mzv_cpu_kernels JOIN(mzv_cpu_, VARIANT) = {
    .name = STRING(VARIANT),
    .min_log_n = MIN_LOG_N,
    .fp64 = true,
    .binary = { [MZV_CPU_ADD] = add,
                [MZV_CPU_SUB] = sub,
                [MZV_CPU_MUL] = mul,
                [MZV_CPU_MUL_ADD] = mul_add,
                [MZV_CPU_ADD_STREAM] = add_stream,
                [MZV_CPU_SUB_STREAM] = sub_stream },
    .with_const = { [MZV_CPU_MUL_CONST] = mul_const,
                    [MZV_CPU_MUL_CONST_ADD] = mul_const_add,
                    [MZV_CPU_ADD_CONST] = add_const },
    .ntt = ntt,
    .intt = intt,
    .lift = lift,
    .sub_from_scale = sub_from_scale,
    .sum_products = sum_products,
    .matmul = matmul,
    .permute = permute,
    .repeat = repeat,
    .digit_tiles = digit_tiles,
    .convert_tile = convert_tile,
    .finish_row = finish_row,
};
