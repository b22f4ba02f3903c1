/* Plan and evaluation of Chebyshev polynomials. After [PS73], with dot products; see polynomial.h.
 *
 * The plan is the coefficients, divided in place: a node is a range c[0..degree] with a depth, and stands for
 *     c[0] + sum_{0 < j < step} c[j] T_j + sum_{1 <= i <= n} (node i) T_{i step},
 * node i being the range that starts at i step and ends before the next one (or at the end, for the last);
 * a node that is only a constant is a term of the combination. Nothing else has to be stored. */
#include "circuit/polynomial.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"

#define MAX_BLOCK 64u    /* b */
#define MAX_PRODUCTS 32u /* n, the products of one dot */
#define MAX_TERMS (MAX_BLOCK + MAX_PRODUCTS)
#define MAX_POWER 512u /* 2^(D-1) for the highest degree */

typedef struct power {
    uint16_t m, a, b; /* T_m = 2 T_a T_b - T_{a-b}, m = a + b, a >= b */
} power;

struct mzv_polynomial {
    mzv_polynomial_facts facts;
    power powers[MAX_BLOCK + MAX_PRODUCTS + 16]; /* in the order in which they are made */
    uint16_t place[MAX_POWER + 1];               /* of T_m: 0 is the input, else 1 + index in powers */
    double *c;                                   /* divided coefficients */
};

typedef struct node {
    const double *c;
    uint32_t degree, depth, step, n;
} node;

static uint32_t ceil_log2(uint32_t n) {
    uint32_t k = 0;
    while ((1u << k) < n) k++;
    return k;
}

/* depth >= 1, degree < 2^depth. Powers up to 2^(depth-1) may be used. */
static node node_of(const double *c, uint32_t degree, uint32_t depth, uint32_t block) {
    const uint32_t limit = 1u << (depth - 1);
    const uint32_t step = block < limit ? block : limit;
    const uint32_t n = degree / step < limit / step ? degree / step : limit / step;
    const node x = { c, degree, depth, step, n };
    return x;
}

static uint32_t child_degree(const node *x, uint32_t i) {
    return i == x->n ? x->degree - i * x->step : x->step - 1;
}

static node child_of(const node *x, uint32_t i, uint32_t block) {
    return node_of(x->c + i * x->step, child_degree(x, i), x->depth - 1, block);
}

static bool child_is_constant(const node *x, uint32_t i) {
    const double *c = x->c + i * x->step;
    for (uint32_t j = 1; j <= child_degree(x, i); j++)
        if (c[j] != 0) return false;
    return true;
}

/* Divides c[0..degree] in place, highest block first: c T_{base+j} = 2c T_base T_j - c T_{base-j}. */
static void divide(double *c, uint32_t degree, uint32_t depth, uint32_t block) {
    const node x = node_of(c, degree, depth, block);
    for (uint32_t i = x.n; i > 0; i--) {
        double *const base = c + i * x.step;
        for (uint32_t j = 1; j <= child_degree(&x, i); j++) {
            base[-(ptrdiff_t)j] -= base[j];
            base[j] *= 2;
        }
    }
    if (x.n > 0 && depth > 1) divide(c + x.n * x.step, child_degree(&x, x.n), depth - 1, block);
}

/* Marks the powers that a node needs and counts its dots and products. */
static void survey(const node *x, mzv_polynomial_facts *facts, bool *need) {
    uint32_t n_products = 0;
    need[1u << (x->depth - 1)] = true; /* fixes the depth of a combination */
    for (uint32_t j = 1; j < x->step && j <= x->degree; j++) need[j] |= x->c[j] != 0;
    for (uint32_t i = 1; i <= x->n; i++) {
        if (child_is_constant(x, i)) {
            need[i * x->step] |= x->c[i * x->step] != 0;
            continue;
        }
        const node child = child_of(x, i, facts->block);
        need[i * x->step] = true;
        survey(&child, facts, need);
        n_products++;
    }
    facts->n_products += n_products;
    facts->n_key_switch += n_products > 0;
}

/* Lists the powers marked, and those that they are made from. Both factors have half the index or a smaller
 * power of two, so that T_m has depth ceil(log2 m). */
static uint32_t list_powers(power *out, bool *need) {
    uint32_t n = 0;
    for (uint32_t m = MAX_POWER; m > 1; m--) {
        if (!need[m]) continue;
        const uint32_t half = 1u << (ceil_log2(m) - 1);
        const bool square = m % 2 == 0 && (m == 2 * half || need[m / 2]);
        const uint32_t a = square ? m / 2 : half;
        const power made = { (uint16_t)m, (uint16_t)a, (uint16_t)(m - a) };
        need[a] = need[m - a] = true;
        if (2 * a > m) need[2 * a - m] = true;
        out[n++] = made;
    }
    for (uint32_t i = 0; i < n / 2; i++) {
        const power swap = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = swap;
    }
    return n;
}

/* The whole plan for one block size. */
static void plan_with(mzv_polynomial *p, const double *coeff, uint32_t block) {
    bool need[MAX_POWER + 1] = { false };
    mzv_polynomial_facts *facts = &p->facts;
    memcpy(p->c, coeff, (facts->degree + 1) * sizeof *coeff);
    divide(p->c, facts->degree, facts->levels, block);
    facts->block = block;
    facts->n_key_switch = facts->n_products = 0;
    const node top = node_of(p->c, facts->degree, facts->levels, block);
    survey(&top, facts, need);
    facts->n_powers = list_powers(p->powers, need);
    facts->n_key_switch += facts->n_powers;
    facts->n_products += facts->n_powers;
    for (uint32_t i = 0; i < facts->n_powers; i++) p->place[p->powers[i].m] = (uint16_t)(i + 1);
}

/* Fewest key switches, then fewest products. */
static void plan_best(mzv_polynomial *p, const double *coeff) {
    const uint32_t half = 1u << (p->facts.levels - 1);
    uint32_t best_block = 0, best_switch = UINT32_MAX, best_products = UINT32_MAX;
    for (uint32_t b = 2; b <= MAX_BLOCK && (b == 2 || b <= half); b *= 2) {
        if (half / b > MAX_PRODUCTS) continue;
        plan_with(p, coeff, b);
        if (p->facts.n_key_switch > best_switch) continue;
        if (p->facts.n_key_switch == best_switch && p->facts.n_products >= best_products) continue;
        best_block = b;
        best_switch = p->facts.n_key_switch;
        best_products = p->facts.n_products;
    }
    plan_with(p, coeff, best_block);
}

mzv_status mzv_polynomial_create(mzv_polynomial **out, const double *coeff, uint32_t degree) {
    if (degree > MZV_POLYNOMIAL_MAX_DEGREE)
        return mzv_fail(MZV_ERR_ARGUMENT, "polynomial: degree %u, at most %u", degree,
                        MZV_POLYNOMIAL_MAX_DEGREE);
    for (uint32_t k = 0; k <= degree; k++)
        if (!isfinite(coeff[k]))
            return mzv_fail(MZV_ERR_ARGUMENT, "polynomial: coefficient %u is not finite", k);
    while (degree > 0 && coeff[degree] == 0) degree--;
    if (degree == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "polynomial: constant %g, need degree 1 or more", coeff[0]);
    mzv_polynomial *p = NULL;
    MZV_TRY(MZV_NEW(&p, 1, "polynomial"));
    const mzv_status status = MZV_NEW(&p->c, (size_t)degree + 1, "polynomial: coefficients");
    if (status != MZV_OK) {
        mzv_free(p);
        return status;
    }
    p->facts.degree = degree;
    p->facts.levels = ceil_log2(degree + 1);
    plan_best(p, coeff);
    *out = p;
    return MZV_OK;
}

void mzv_polynomial_destroy(mzv_polynomial *p) {
    if (!p) return;
    mzv_free(p->c);
    mzv_free(p);
}

const mzv_polynomial_facts *mzv_polynomial_about(const mzv_polynomial *p) { return &p->facts; }
uint32_t mzv_polynomial_levels(const mzv_polynomial *p) { return p->facts.levels; }

mzv_status mzv_polynomial_request(const mzv_polynomial *p, mzv_key_request *request, uint32_t level) {
    if (level < p->facts.levels)
        return mzv_fail(MZV_ERR_LEVEL, "polynomial: level %u, need %u", level, p->facts.levels);
    return p->facts.n_key_switch == 0 ? MZV_OK : mzv_request_relinearize(request, level);
}

/* One run: the input and the powers made from it. */
typedef struct run {
    mzv_evaluator *ev;
    const mzv_polynomial *p;
    const mzv_cipher *t;
    mzv_cipher power[MAX_BLOCK + MAX_PRODUCTS + 16];
} run;

static const mzv_cipher *power_of(const run *r, uint32_t m) {
    return m == 1 ? r->t : &r->power[r->p->place[m] - 1];
}

/* T_m = (2 T_a) T_b - T_{a-b}, T_0 = 1: doubled before the division, whose noise then stays single. */
static mzv_status make_power(run *r, mzv_cipher *out, const power *made) {
    mzv_cipher room[3], twice;
    const mzv_cipher *a, *b, *c;
    const uint32_t level = r->t->level - ceil_log2(made->m);
    MZV_TRY(mzv_ev_take(r->ev, out, level, r->t->batch));
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(mzv_circuit_at(r->ev, &a, &room[0], power_of(r, made->a), level + 1));
    MZV_TRY(mzv_circuit_at(r->ev, &b, &room[1], power_of(r, made->b), level + 1));
    MZV_TRY(mzv_ev_take(r->ev, &twice, level + 1, r->t->batch));
    MZV_TRY(mzv_add(r->ev, &twice, a, a));
    MZV_TRY(mzv_mul(r->ev, out, &twice, b));
    if (made->a == made->b) {
        MZV_TRY(mzv_add_const(r->ev, out, out, -1.0));
    } else {
        MZV_TRY(mzv_circuit_at(r->ev, &c, &room[2], power_of(r, (uint32_t)made->a - made->b), level));
        MZV_TRY(mzv_sub(r->ev, out, out, c));
    }
    mzv_ev_release(r->ev, mark);
    return MZV_OK;
}

/* The combination of a node: c[i] a[i], i < n. */
typedef struct terms {
    const mzv_cipher *a[MAX_TERMS];
    double c[MAX_TERMS];
    uint32_t n;
} terms;

static void add_term(terms *list, const run *r, uint32_t m, double c) {
    if (c == 0) return;
    list->a[list->n] = power_of(r, m);
    list->c[list->n++] = c;
}

/* mzv_combine ends one level below its lowest term, which T_{2^(depth-1)} is: where no term lies as deep, it
 * joins with coefficient 0. */
static void gather(terms *list, const run *r, const node *x) {
    const uint32_t level = r->t->level - (x->depth - 1);
    bool deep = false;
    list->n = 0;
    for (uint32_t j = 1; j < x->step && j <= x->degree; j++) add_term(list, r, j, x->c[j]);
    for (uint32_t i = 1; i <= x->n; i++)
        if (child_is_constant(x, i)) add_term(list, r, i * x->step, x->c[i * x->step]);
    for (uint32_t i = 0; i < list->n; i++) deep |= list->a[i]->level == level;
    if (list->n == 0 || deep) return;
    list->a[list->n] = power_of(r, 1u << (x->depth - 1));
    list->c[list->n++] = 0;
}

static mzv_status run_node(run *r, mzv_cipher *out, const node *x);

/* out = sum over the nodes below of (node i) T_{i step}. */
static mzv_status run_products(run *r, mzv_cipher *out, const node *x) {
    mzv_cipher value[MAX_PRODUCTS], lowered[MAX_PRODUCTS];
    const mzv_cipher *q[MAX_PRODUCTS], *t[MAX_PRODUCTS];
    const uint32_t level = r->t->level - (x->depth - 1);
    uint32_t n = 0;
    for (uint32_t i = 1; i <= x->n; i++) {
        if (child_is_constant(x, i)) continue;
        const node child = child_of(x, i, r->p->facts.block);
        MZV_TRY(mzv_ev_take(r->ev, &value[n], level, r->t->batch));
        MZV_TRY(run_node(r, &value[n], &child));
        MZV_TRY(mzv_circuit_at(r->ev, &t[n], &lowered[n], power_of(r, i * x->step), level));
        q[n] = &value[n];
        n++;
    }
    return mzv_dot(r->ev, out, q, t, n);
}

static bool has_products(const node *x) {
    for (uint32_t i = 1; i <= x->n; i++)
        if (!child_is_constant(x, i)) return true;
    return false;
}

/* out = node x at its depth. Only the last operation writes out, which may be the input. */
static mzv_status run_node(run *r, mzv_cipher *out, const node *x) {
    const uint32_t level = r->t->level - x->depth;
    const size_t start = mzv_ev_mark(r->ev);
    mzv_cipher sum, rest;
    terms list;
    gather(&list, r, x);
    if (!has_products(x)) return mzv_combine(r->ev, out, list.a, list.c, list.n, x->c[0]);
    MZV_TRY(mzv_ev_take(r->ev, &sum, level, r->t->batch));
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(run_products(r, &sum, x));
    mzv_ev_release(r->ev, mark);
    if (list.n == 0) {
        MZV_TRY(mzv_add_const(r->ev, out, &sum, x->c[0]));
    } else {
        MZV_TRY(mzv_ev_take(r->ev, &rest, level, r->t->batch));
        MZV_TRY(mzv_combine(r->ev, &rest, list.a, list.c, list.n, x->c[0]));
        MZV_TRY(mzv_add(r->ev, out, &sum, &rest));
    }
    mzv_ev_release(r->ev, start);
    return MZV_OK;
}

static mzv_status run_all(run *r, mzv_cipher *out) {
    const mzv_polynomial_facts *facts = &r->p->facts;
    for (uint32_t i = 0; i < facts->n_powers; i++) MZV_TRY(make_power(r, &r->power[i], &r->p->powers[i]));
    const node top = node_of(r->p->c, facts->degree, facts->levels, facts->block);
    return run_node(r, out, &top);
}

mzv_status mzv_polynomial_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                              const mzv_polynomial *p) {
    run r = { .ev = ev, .p = p, .t = t };
    MZV_TRY(mzv_circuit_need("polynomial", t, p->facts.levels));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_all(&r, out);
    mzv_ev_release(ev, mark);
    return status;
}
