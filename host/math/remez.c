/* The exchange of all points at once. Names as in [Che66, chapter 3]; the basis is phi_k = T_k, T_{2k+1} or
 * T_{2k} of t, which all follow phi_{k+1} = 2 z phi_k - phi_{k-1} with z = t or z = T_2(t). */
#include "math/remez.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"

#define PI_L 3.14159265358979323846264338327950288L
#define POINTS_PER_REFERENCE 16u
#define MAX_ITERATIONS 100u
#define MAX_IDLE 4u /* references in a row whose L is not above those before */
#define GOLDEN 0.61803398874989484820L
#define SKEW 0.3L          /* of the distance of points, but at most... */
#define LARGEST_SKEW 0.03L /* of their range, where they are few */
#define EXACT_BITS 56

/* A point where the error is known. */
typedef struct point {
    long double x, error; /* w (f - p), signed */
} point;

typedef struct work {
    const mzv_remez_spec *spec;
    uint32_t n;          /* coefficients of the basis */
    uint32_t n_grid;     /* points of one interval */
    uint32_t n_golden;   /* steps that narrow a bracket to an eighth of the tolerance: enough at a kink too */
    long double largest; /* |w f| on the grid */
    long double level;   /* L of the last reference, signed */
    long double *x, *f, *w; /* the grid, n_on * n_grid */
    long double *c;         /* n: coefficients over phi */
    long double *matrix;    /* (n + 1) * (n + 2), row by row, the right side last */
    long double *reference; /* n + 1, ascending */
    point *extreme;         /* up to one for each point of the grid, ascending, signs alternating */
    uint32_t n_extreme;
} work;

static uint32_t n_basis(const mzv_remez_spec *s) {
    if (s->parity == MZV_PARITY_NONE) return s->degree + 1;
    return s->parity == MZV_PARITY_ODD ? (s->degree + 1) / 2 : s->degree / 2 + 1;
}

/* phi_{-1}, phi_0 and z at x. */
static void basis_at(const mzv_remez_spec *s, long double x, long double start[2], long double *z) {
    const long double t = (2 * x - s->a - s->b) / ((long double)s->b - s->a);
    *z = s->parity == MZV_PARITY_NONE ? t : 2 * t * t - 1;
    start[1] = s->parity == MZV_PARITY_ODD ? t : 1;
    start[0] = s->parity == MZV_PARITY_ODD ? t : *z;
}

/* Clenshaw's recurrence [Cle55]: b_k = c_k + 2 z b_{k+1} - b_{k+2}, p = phi_0 b_0 - phi_{-1} b_1. */
static long double polynomial_at(const work *k, long double x) {
    long double start[2], z, b1 = 0, b2 = 0;
    basis_at(k->spec, x, start, &z);
    for (uint32_t i = k->n; i > 0; i--) {
        const long double b0 = k->c[i - 1] + 2 * z * b1 - b2;
        b2 = b1;
        b1 = b0;
    }
    return start[1] * b1 - start[0] * b2;
}

static long double weight_at(const mzv_remez_spec *s, long double x) {
    return s->weight ? s->weight(s->user, x) : 1;
}

static long double error_at(const work *k, long double x) {
    return weight_at(k->spec, x) * (k->spec->value(k->spec->user, x) - polynomial_at(k, x));
}

/* Point i of n between a and b, where polynomials of the parity have their extrema on [a, b] alone: spaced as
 * cosines in x, or in x^2. */
static long double spaced(const mzv_remez_spec *s, mzv_interval on, uint32_t i, uint32_t n) {
    const long double half = sinl(PI_L * (long double)i / (long double)(2 * (n - 1)));
    const long double a = on.a, b = on.b;
    if (i == 0) return a;
    if (i + 1 == n) return b;
    if (s->parity == MZV_PARITY_NONE) return a + (b - a) * half * half;
    return fminl(b, fmaxl(a, sqrtl(a * a + (b * b - a * a) * half * half)));
}

static mzv_status make_grid(work *k) {
    const mzv_remez_spec *s = k->spec;
    for (uint32_t i = 0; i < s->n_on * k->n_grid; i++) {
        const long double x = spaced(s, s->on[i / k->n_grid], i % k->n_grid, k->n_grid);
        k->x[i] = x;
        k->f[i] = s->value(s->user, x);
        k->w[i] = weight_at(s, x);
        if (!isfinite(k->f[i]) || !isfinite(k->w[i]) || !(k->w[i] > 0))
            return mzv_fail(MZV_ERR_RANGE,
                            "remez: value %Lg and weight %Lg at %.6Lg, need finite ones, weight > 0", k->f[i],
                            k->w[i], x);
        k->largest = fmaxl(k->largest, fabsl(k->w[i] * k->f[i]));
    }
    return MZV_OK;
}

/* Point i of n inside an interval, denser at the ends, and not symmetric: with points symmetric about 0, L
 * can be 0 for an even function. Off by more than a point, 100 or more leave parts of the interval so bare
 * that the exchange of a weighted function is lost to rounding. */
static long double skewed(mzv_interval on, uint32_t i, uint32_t n) {
    const long double u = ((long double)i + 0.5L) / (long double)n;
    const long double shift = fminl(LARGEST_SKEW, SKEW / (long double)n);
    const long double half = sinl(0.5L * PI_L * (u + shift * sinl(PI_L * u)));
    return on.a + ((long double)on.b - on.a) * half * half;
}

/* n + 1 points, to each interval as many as its share of the whole length, at least one each while there are
 * enough. */
static void first_reference(work *k) {
    const mzv_remez_spec *s = k->spec;
    long double whole = 0, before = 0;
    uint32_t done = 0;
    for (uint32_t j = 0; j < s->n_on; j++) whole += (long double)s->on[j].b - s->on[j].a;
    for (uint32_t j = 0; j < s->n_on; j++) {
        const uint32_t left = s->n_on - 1 - j, all = k->n + 1;
        before += (long double)s->on[j].b - s->on[j].a;
        uint32_t upto = j + 1 == s->n_on ? all : (uint32_t)lrintl(all * before / whole);
        if (upto <= done) upto = done + 1;
        if (upto + left > all) upto = all > left ? all - left : done;
        for (uint32_t i = 0; done < upto; i++) {
            const uint32_t n = upto - (done - i);
            const bool at_extrema = s->parity != MZV_PARITY_NONE && n > 1;
            k->reference[done++] = at_extrema ? spaced(s, s->on[j], i, n) : skewed(s->on[j], i, n);
        }
    }
}

/* Rows sum_k c_k phi_k(x_i) + (-1)^i L / w(x_i) = f(x_i). */
static void fill_matrix(work *k) {
    const uint32_t n = k->n, width = n + 2;
    for (uint32_t i = 0; i <= n; i++) {
        const long double x = k->reference[i];
        long double start[2], z, *const row = k->matrix + (size_t)i * width;
        basis_at(k->spec, x, start, &z);
        for (uint32_t j = 0; j < n; j++) {
            row[j] = start[1];
            const long double next = 2 * z * start[1] - start[0];
            start[0] = start[1];
            start[1] = next;
        }
        row[n] = (i % 2 ? -1 : 1) / weight_at(k->spec, x);
        row[n + 1] = k->spec->value(k->spec->user, x);
    }
}

static void swap_rows(long double *a, long double *b, uint32_t width) {
    for (uint32_t j = 0; j < width; j++) {
        const long double t = a[j];
        a[j] = b[j];
        b[j] = t;
    }
}

/* Gauss's elimination with partial pivots; false where a pivot is 0. */
static bool eliminate(long double *m, uint32_t n, uint32_t width) {
    for (uint32_t p = 0; p < n; p++) {
        uint32_t best = p;
        for (uint32_t i = p + 1; i < n; i++)
            if (fabsl(m[(size_t)i * width + p]) > fabsl(m[(size_t)best * width + p])) best = i;
        long double *const row = m + (size_t)p * width;
        if (best != p) swap_rows(row, m + (size_t)best * width, width);
        if (!(fabsl(row[p]) > 0)) return false;
        for (uint32_t i = p + 1; i < n; i++) {
            long double *const other = m + (size_t)i * width;
            const long double factor = other[p] / row[p];
            for (uint32_t j = p; j < width; j++) other[j] -= factor * row[j];
        }
    }
    return true;
}

/* c and L of the reference. */
static mzv_status solve(work *k) {
    const uint32_t n = k->n + 1, width = k->n + 2;
    fill_matrix(k);
    if (!eliminate(k->matrix, n, width))
        return mzv_fail(MZV_ERR_PRECISION, "remez: no polynomial of %u coefficients on its %u points", k->n,
                        n);
    for (uint32_t i = n; i > 0; i--) {
        long double *const row = k->matrix + (size_t)(i - 1) * width;
        long double sum = row[width - 1];
        for (uint32_t j = i; j < n; j++) sum -= row[j] * k->matrix[(size_t)j * width + width - 1];
        row[width - 1] = sum / row[i - 1];
    }
    for (uint32_t i = 0; i < k->n; i++) k->c[i] = k->matrix[(size_t)i * width + width - 1];
    k->level = k->matrix[(size_t)k->n * width + width - 1];
    return MZV_OK;
}

/* The largest error of p's sign between a and b, which hold one extremum, by golden sections. */
static point refine(const work *k, point p, long double a, long double b) {
    const long double sign = p.error < 0 ? -1 : 1;
    long double x1 = b - GOLDEN * (b - a), x2 = a + GOLDEN * (b - a);
    long double e1 = sign * error_at(k, x1), e2 = sign * error_at(k, x2);
    for (uint32_t i = 0; i < k->n_golden; i++) {
        if (e1 > e2) {
            b = x2;
            x2 = x1;
            e2 = e1;
            x1 = b - GOLDEN * (b - a);
            e1 = sign * error_at(k, x1);
        } else {
            a = x1;
            x1 = x2;
            e1 = e2;
            x2 = a + GOLDEN * (b - a);
            e2 = sign * error_at(k, x2);
        }
    }
    if (e1 > sign * p.error) p = (point) { x1, sign * e1 };
    if (e2 > sign * p.error) p = (point) { x2, sign * e2 };
    return p;
}

/* Joins the list: in place of the last point where that has the same sign and is smaller. */
static void add_extreme(work *k, point p) {
    point *const last = k->n_extreme > 0 ? &k->extreme[k->n_extreme - 1] : NULL;
    if (!last || (last->error < 0) != (p.error < 0))
        k->extreme[k->n_extreme++] = p;
    else if (fabsl(p.error) > fabsl(last->error))
        *last = p;
}

/* The extrema of the error: of each run of one sign on the grid the largest, refined between its neighbours.
 * Signs alternate; over the gap between two intervals runs of one sign are one. */
static void find_extremes(work *k) {
    k->n_extreme = 0;
    for (uint32_t j = 0; j < k->spec->n_on; j++) {
        const long double *const x = k->x + (size_t)j * k->n_grid;
        long double before = 0, here = 0, after = 0;
        for (uint32_t i = 0; i < k->n_grid; i++) {
            const size_t at = (size_t)j * k->n_grid + i;
            before = here;
            here = i == 0 ? k->w[at] * (k->f[at] - polynomial_at(k, x[0])) : after;
            after = i + 1 == k->n_grid ? 0 : k->w[at + 1] * (k->f[at + 1] - polynomial_at(k, x[i + 1]));
            const long double sign = here < 0 ? -1 : 1;
            const bool rises = i == 0 || sign * here >= sign * before;
            const bool falls = i + 1 == k->n_grid || sign * here >= sign * after;
            if (here == 0 || !rises || !falls) continue;
            const point p = { x[i], here };
            add_extreme(k, refine(k, p, i == 0 ? x[0] : x[i - 1], i + 1 == k->n_grid ? x[i] : x[i + 1]));
        }
    }
}

static long double largest_extreme(const work *k) {
    long double largest = 0;
    for (uint32_t i = 0; i < k->n_extreme; i++) largest = fmaxl(largest, fabsl(k->extreme[i].error));
    return largest;
}

static void remove_extremes(work *k, uint32_t first, uint32_t count) {
    memmove(k->extreme + first, k->extreme + first + count,
            (k->n_extreme - first - count) * sizeof *k->extreme);
    k->n_extreme -= count;
}

/* Down to n + 1 points whose signs alternate, the largest among them: the smallest leaves, an inner one
 * together with its smaller neighbour. */
static void thin_out(work *k) {
    while (k->n_extreme > k->n + 1) {
        const point *const e = k->extreme;
        const uint32_t last = k->n_extreme - 1;
        uint32_t least = 0;
        for (uint32_t i = 1; i <= last; i++)
            if (fabsl(e[i].error) < fabsl(e[least].error)) least = i;
        if (last == k->n + 1) /* one too many: an end */
            least = fabsl(e[0].error) < fabsl(e[last].error) ? 0 : last;
        if (least == 0 || least == last)
            remove_extremes(k, least, 1);
        else
            remove_extremes(k, fabsl(e[least - 1].error) < fabsl(e[least + 1].error) ? least - 1 : least, 2);
    }
}

/* One reference after the other until its L is the largest error. L grows with every one, until rounding
 * stops it. */
static mzv_status exchange(work *k, mzv_remez_facts *facts) {
    const long double exact = ldexpl(k->largest, -EXACT_BITS);
    long double best = -1;
    uint32_t idle = 0;
    for (facts->n_iterations = 1;; facts->n_iterations++) {
        MZV_TRY(solve(k));
        find_extremes(k);
        const long double largest = largest_extreme(k), level = fabsl(k->level);
        facts->lower = largest <= exact ? 0 : (double)level;
        if (largest <= exact || largest - level <= k->spec->tolerance * largest) return MZV_OK;
        idle = level > best ? 0 : idle + 1;
        best = fmaxl(level, best);
        if (k->n_extreme < k->n + 1)
            return mzv_fail(MZV_ERR_PRECISION,
                            "remez: the error alternates at %u points, need %u (degree %u)", k->n_extreme,
                            k->n + 1, k->spec->degree);
        if (idle == MAX_IDLE || facts->n_iterations == MAX_ITERATIONS)
            return mzv_fail(MZV_ERR_PRECISION,
                            "remez: error %.6Lg, bound %.6Lg after %u exchanges: raise the tolerance %.3g",
                            largest, level, facts->n_iterations, k->spec->tolerance);
        thin_out(k);
        for (uint32_t i = 0; i <= k->n; i++) k->reference[i] = k->extreme[i].x;
    }
}

static mzv_status check_intervals(const mzv_remez_spec *s) {
    if (s->n_on == 0 || s->n_on > MZV_REMEZ_MAX_INTERVALS)
        return mzv_fail(MZV_ERR_ARGUMENT, "remez: %u intervals, need 1 to %u", s->n_on,
                        MZV_REMEZ_MAX_INTERVALS);
    if (!(isfinite(s->a) && isfinite(s->b) && s->a < s->b))
        return mzv_fail(MZV_ERR_ARGUMENT, "remez: basis on [%g, %g], need finite ends, a < b", s->a, s->b);
    if (s->parity != MZV_PARITY_NONE && s->a != -s->b)
        return mzv_fail(MZV_ERR_ARGUMENT, "remez: basis on [%g, %g], a parity needs a = -b", s->a, s->b);
    for (uint32_t j = 0; j < s->n_on; j++) {
        const double low = j > 0 ? s->on[j - 1].b : s->parity == MZV_PARITY_NONE ? s->a : 0;
        if (!(s->on[j].a < s->on[j].b && s->on[j].b <= s->b &&
              (j > 0 ? s->on[j].a > low : s->on[j].a >= low)))
            return mzv_fail(MZV_ERR_ARGUMENT, "remez: interval %u is [%g, %g], need it above %g, up to %g", j,
                            s->on[j].a, s->on[j].b, low, s->b);
    }
    return MZV_OK;
}

static mzv_status check(const mzv_remez_spec *s) {
    if (s->degree > MZV_REMEZ_MAX_DEGREE || (s->parity == MZV_PARITY_ODD && s->degree == 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "remez: degree %u, need %u to %u", s->degree,
                        s->parity == MZV_PARITY_ODD ? 1u : 0u, MZV_REMEZ_MAX_DEGREE);
    if (!(s->tolerance >= 0x1p-40 && s->tolerance <= 0.5))
        return mzv_fail(MZV_ERR_ARGUMENT, "remez: tolerance %g, need 2^-40 to 1/2", s->tolerance);
    return check_intervals(s);
}

/* Room for everything, in one block. */
static mzv_status take_room(work *k, long double **block, const mzv_remez_spec *s) {
    const size_t n = n_basis(s), grid = POINTS_PER_REFERENCE * (n + 1) + 1, all = s->n_on * grid;
    k->spec = s;
    k->n = (uint32_t)n;
    k->n_grid = (uint32_t)grid;
    k->n_golden = (uint32_t)ceill(logl(s->tolerance / 8) / logl(GOLDEN));
    MZV_TRY(MZV_NEW(block, 3 * all + n + (n + 1) * (n + 2) + (n + 1), "remez: grid and matrix"));
    k->x = *block;
    k->f = k->x + all;
    k->w = k->f + all;
    k->c = k->w + all;
    k->matrix = k->c + n;
    k->reference = k->matrix + (n + 1) * (n + 2);
    return MZV_NEW(&k->extreme, all, "remez: extrema");
}

/* Coefficients rounded to double, and what error they leave. */
static void deliver(double *coeff, mzv_remez_facts *facts, work *k) {
    const uint32_t step = k->spec->parity == MZV_PARITY_NONE ? 1 : 2,
                   first = k->spec->parity == MZV_PARITY_ODD;
    memset(coeff, 0, (k->spec->degree + 1) * sizeof *coeff);
    for (uint32_t i = 0; i < k->n; i++) {
        coeff[first + i * step] = (double)k->c[i];
        k->c[i] = (long double)coeff[first + i * step];
    }
    find_extremes(k);
    facts->error = (double)largest_extreme(k);
}

mzv_status mzv_remez(double *coeff, mzv_remez_facts *facts, const mzv_remez_spec *spec) {
    mzv_remez_facts found = { 0 };
    work k = { 0 };
    long double *block = NULL;
    MZV_TRY(check(spec));
    mzv_status status = take_room(&k, &block, spec);
    if (status == MZV_OK) status = make_grid(&k);
    if (status == MZV_OK) {
        first_reference(&k);
        status = exchange(&k, &found);
    }
    if (status == MZV_OK) {
        found.n_points = k.n + 1;
        deliver(coeff, &found, &k);
        *facts = found;
    }
    mzv_free(k.extreme);
    mzv_free(block);
    return status;
}
