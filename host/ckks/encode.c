/* The special FFT of CKKS in double: radix 2, roots of each stage side by side, real and imaginary parts in
 * two arrays so that loops vectorise. Nothing here contracts to FMA, so every machine encodes alike. */
#include "ckks/encode.h"

#include <math.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/try.h"

/* Loops worth AVX2 where the machine has it; the values do not depend on it. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

struct mzv_embedding {
    uint32_t n; /* N/2 points */
    double *re; /* stage of half-length h has its roots at [h-1, 2h-1) */
    double *im;
    uint32_t *reversed; /* reversed[k]: k with its log_n - 1 bits reversed */
};

/* Roots of one stage: exp(2 pi i (5^j mod 8h) / 8h), j < h. */
static void fill_roots(double *re, double *im, uint32_t h) {
    const long double pi = 3.141592653589793238462643383279502884L;
    uint32_t power = 1;
    for (uint32_t j = 0; j < h; j++) {
        const long double angle = pi * (long double)power / (4.0L * (long double)h);
        re[j] = (double)cosl(angle);
        im[j] = (double)sinl(angle);
        power = (5 * power) & (8 * h - 1);
    }
}

void mzv_embedding_destroy(mzv_embedding *e) {
    if (e == NULL) return;
    mzv_free(e->re);
    mzv_free(e->im);
    mzv_free(e->reversed);
    mzv_free(e);
}

mzv_status mzv_embedding_create(mzv_embedding **out, uint32_t log_n) {
    if (log_n < 2 || log_n > 17) {
        return mzv_fail(MZV_ERR_ARGUMENT, "embedding: log_n is %u, must be 2 .. 17", log_n);
    }
    const uint32_t n = 1u << (log_n - 1);
    mzv_status status = MZV_OK;
    mzv_embedding *e = NULL;
    MZV_TRY(MZV_NEW(&e, 1, "embedding"));
    e->n = n;
    MZV_TRY_GOTO(MZV_NEW(&e->re, n, "roots of the embedding"), failed);
    MZV_TRY_GOTO(MZV_NEW(&e->im, n, "roots of the embedding"), failed);
    MZV_TRY_GOTO(MZV_NEW(&e->reversed, n, "bit reversal of the embedding"), failed);
    for (uint32_t h = 1; h < n; h *= 2) fill_roots(e->re + h - 1, e->im + h - 1, h);
    for (uint32_t k = 1; k < n; k++) e->reversed[k] = e->reversed[k / 2] / 2 + (k & 1) * (n / 2);
    *out = e;
    return MZV_OK;
failed:
    mzv_embedding_destroy(e);
    return status;
}

/* One stage forwards: blocks (u, v) of h points each become (u + v root, u - v root). */
WIDE static void stage_forward(double *restrict re, double *restrict im, uint32_t n, uint32_t h,
                               const double *restrict root_re, const double *restrict root_im) {
    for (uint32_t block = 0; block < n; block += 2 * h) {
        double *restrict ur = re + block, *restrict ui = im + block;
        double *restrict vr = ur + h, *restrict vi = ui + h;
        for (uint32_t j = 0; j < h; j++) {
            const double xr = vr[j] * root_re[j] - vi[j] * root_im[j];
            const double xi = vr[j] * root_im[j] + vi[j] * root_re[j];
            vr[j] = ur[j] - xr;
            vi[j] = ui[j] - xi;
            ur[j] = ur[j] + xr;
            ui[j] = ui[j] + xi;
        }
    }
}

/* One stage backwards: (u, v) becomes (u + v, (u - v) conj(root)), twice the inverse of the above. */
WIDE static void stage_backward(double *restrict re, double *restrict im, uint32_t n, uint32_t h,
                                const double *restrict root_re, const double *restrict root_im) {
    for (uint32_t block = 0; block < n; block += 2 * h) {
        double *restrict ur = re + block, *restrict ui = im + block;
        double *restrict vr = ur + h, *restrict vi = ui + h;
        for (uint32_t j = 0; j < h; j++) {
            const double xr = ur[j] - vr[j], xi = ui[j] - vi[j];
            ur[j] = ur[j] + vr[j];
            ui[j] = ui[j] + vi[j];
            vr[j] = xr * root_re[j] + xi * root_im[j];
            vi[j] = xi * root_re[j] - xr * root_im[j];
        }
    }
}

/* out[k] = round(factor x[reversed[k]]); false when one is not below 2^61 in size, or is NaN. */
static bool round_all(int64_t *out, const double *x, const uint32_t *reversed, uint32_t n, double factor) {
    const double bound = ldexp(1.0, MZV_ENCODE_LOG_MAX);
    bool good = true;
    for (uint32_t k = 0; k < n; k++) {
        const double v = x[reversed[k]] * factor;
        const bool inside = fabs(v) < bound;
        good &= inside;
        out[k] = llrint(inside ? v : 0.0);
    }
    return good;
}

static mzv_status refuse_slots(const mzv_complex *slots, uint32_t n, double scale) {
    double largest = 0;
    for (uint32_t j = 0; j < n; j++) {
        const double re = __real__ slots[j], im = __imag__ slots[j];
        if (!isfinite(re) || !isfinite(im)) {
            return mzv_fail(MZV_ERR_RANGE, "encode: slot %u is %g + %gi, not finite", j, re, im);
        }
        largest = fmax(largest, hypot(re, im));
    }
    return mzv_fail(
        MZV_ERR_RANGE,
        "encode: a coefficient reaches 2^%d (scale 2^%.1f, largest slot %g); lower the scale or the values",
        MZV_ENCODE_LOG_MAX, log2(scale), largest);
}

mzv_status mzv_encode(const mzv_embedding *e, int64_t *coeff, const mzv_complex *slots, double scale,
                      mzv_complex *work) {
    const uint32_t n = e->n;
    double *re = (double *)work, *im = re + n;
    if (!(scale > 0) || !isfinite(scale)) {
        return mzv_fail(MZV_ERR_ARGUMENT, "encode: scale is %g, must be positive and finite", scale);
    }
    for (uint32_t j = 0; j < n; j++) {
        re[j] = __real__ slots[j];
        im[j] = __imag__ slots[j];
    }
    for (uint32_t h = n / 2; h >= 1; h /= 2) stage_backward(re, im, n, h, e->re + h - 1, e->im + h - 1);
    const double factor = scale / n; /* exact: n is a power of two */
    const bool good_re = round_all(coeff, re, e->reversed, n, factor);
    const bool good_im = round_all(coeff + n, im, e->reversed, n, factor);
    return good_re && good_im ? MZV_OK : refuse_slots(slots, n, scale);
}

void mzv_decode(const mzv_embedding *e, mzv_complex *slots, const double *coeff, double scale,
                mzv_complex *work) {
    const uint32_t n = e->n;
    double *re = (double *)work, *im = re + n;
    for (uint32_t k = 0; k < n; k++) {
        re[k] = coeff[e->reversed[k]] / scale;
        im[k] = coeff[n + e->reversed[k]] / scale;
    }
    for (uint32_t h = 1; h < n; h *= 2) stage_forward(re, im, n, h, e->re + h - 1, e->im + h - 1);
    for (uint32_t j = 0; j < n; j++) {
        __real__ slots[j] = re[j];
        __imag__ slots[j] = im[j];
    }
}
