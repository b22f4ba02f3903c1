/* The weights of an encrypted attention as diagonals and constants on the pair layout. */
#include "nn/attention_plan.h"

#include <math.h>

#include "base/try.h"

/* The weight from input channel `in` to component e of head h of a projection. */
static double weight(const mzv_float_linear *l, uint32_t in, uint32_t out) {
    return l->w[in * l->in_stride + out * l->out_stride];
}
static double bias(const mzv_float_linear *l, uint32_t out) { return l->bias ? l->bias[out] : 0; }

/* Which head and component an output channel holds; false for padding. */
static bool channel_parts(const mzv_attention_plan *p, uint32_t channel, uint32_t *h, uint32_t *e) {
    *h = channel % p->layout.heads;
    *e = channel / p->layout.heads % p->layout.dim;
    return *h < p->n_heads && *e < p->head_dim;
}
/* The model's output column of a head computed here and component e. */
static uint32_t column(const mzv_attention_plan *p, uint32_t h, uint32_t e) {
    return (p->first_head + h) * p->head_dim + e;
}

/* A: (K gamma / copies + i V / value_max) / 2 from the keys' tokens. */
static mzv_complex key_value_entry(const mzv_attention_plan *p, uint32_t channel, uint32_t in) {
    uint32_t h, e;
    if (in >= p->n_channels || !channel_parts(p, channel, &h, &e)) return 0;
    const double k = weight(&p->weights.k, in, column(p, h, e)) * p->gamma / p->layout.copies;
    const double v = weight(&p->weights.v, in, column(p, h, e)) / p->value_scale;
    return 0.5 * k + 0.5i * v;
}

/* B: (-M gamma sqrt(d) / copies + i Q gamma) / 2 from the query's token. */
static mzv_complex query_entry(const mzv_attention_plan *p, uint32_t channel, uint32_t in) {
    uint32_t h, e;
    if (in >= p->n_channels || !channel_parts(p, channel, &h, &e)) return 0;
    const double q = weight(&p->weights.q, in, column(p, h, e)) * p->gamma;
    const double m = p->shift[h].bilinear[(size_t)e * p->n_channels + in] * p->gamma * sqrt(p->head_dim) /
                     p->layout.copies;
    return -0.5 * m + 0.5i * q;
}

/* O: from the heads' outputs, in their first copy, to channels, for the client's scale. */
static mzv_complex output_entry(const mzv_attention_plan *p, uint32_t channel, uint32_t in) {
    uint32_t h, e;
    if (channel >= p->n_channels || in >= p->layout.heads * p->layout.dim || !channel_parts(p, in, &h, &e))
        return 0;
    return weight(&p->weights.o, column(p, h, e), channel) * p->value_scale / p->output_scale;
}

/* Diagonal d of a matrix on the channel index: entry (c, c + d) in every pair of channel c. */
mzv_status mzv_attention_diagonal(void *user, mzv_complex *slots, uint32_t d) {
    const mzv_attention_matrix *m = user;
    const mzv_pair_layout *l = &m->plan->layout;
    for (uint32_t c = 0; c < l->channels; c++) {
        const mzv_complex x = m->entry(m->plan, c, (c + d) & (l->channels - 1));
        for (uint32_t p = 0; p < l->pairs; p++) slots[(size_t)c * l->pairs + p] = x;
    }
    return MZV_OK;
}

void mzv_attention_matrices(mzv_attention_matrix out[MZV_ATTENTION_MATRICES], const mzv_attention_plan *p) {
    const uint32_t outputs = p->layout.heads * p->layout.dim;
    out[MZV_KEY_VALUE] = (mzv_attention_matrix){ p, key_value_entry, outputs };
    out[MZV_QUERY] = (mzv_attention_matrix){ p, query_entry, outputs };
    out[MZV_OUTPUT] = (mzv_attention_matrix){ p, output_entry, p->layout.channels };
}

void mzv_attention_key_bias(const mzv_attention_plan *p, mzv_complex *slots) {
    const mzv_pair_layout *l = &p->layout;
    for (uint32_t c = 0; c < l->channels; c++) {
        uint32_t h, e;
        double x = 0;
        if (channel_parts(p, c, &h, &e))
            x = p->gamma / l->copies *
                (bias(&p->weights.k, column(p, h, e)) - sqrt(p->head_dim) * p->shift[h].linear[e]);
        for (uint32_t s = 0; s < l->pairs; s++) slots[(size_t)c * l->pairs + s] = x;
    }
}

void mzv_attention_query_bias(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots) {
    const mzv_pair_layout *l = &p->layout;
    for (uint32_t c = 0; c < l->channels; c++) {
        uint32_t h, e;
        const double x = channel_parts(p, c, &h, &e) ? p->gamma * bias(&p->weights.q, column(p, h, e)) : 0;
        for (uint32_t s = 0; s < l->pairs; s++)
            slots[(size_t)c * l->pairs + s] = mzv_pair_alive(span, s / l->group, s % l->group) ? x : 0;
    }
}

void mzv_attention_offset(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots) {
    const mzv_pair_layout *l = &p->layout;
    for (uint32_t c = 0; c < l->channels; c++) {
        const uint32_t h = c % l->heads; /* a score is the same in every component of its head */
        const double x = h < p->n_heads ? p->exp_input.shift - p->exp_input.scale * p->shift[h].constant : -1;
        for (uint32_t s = 0; s < l->pairs; s++)
            slots[(size_t)c * l->pairs + s] =
                mzv_pair_alive(span, s / l->group, s % l->group) ? x : -1;
    }
}

static uint32_t alive_keys(const mzv_pair_span *span, uint32_t i) {
    uint32_t n = 0;
    for (uint32_t j = 0; j < span->n_tokens; j++) n += mzv_pair_alive(span, i, j);
    return n;
}

void mzv_attention_dead_weight(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots) {
    const mzv_pair_layout *l = &p->layout;
    for (uint32_t i = 0; i < l->rows; i++) {
        const double x = -(double)(l->group - alive_keys(span, i)) * p->dead_value;
        for (uint32_t c = 0; c < l->channels; c++)
            for (uint32_t j = 0; j < l->group; j++) slots[(size_t)c * l->pairs + (size_t)i * l->group + j] = x;
    }
}

void mzv_attention_output_bias(const mzv_attention_plan *p, mzv_complex *slots) {
    const mzv_pair_layout *l = &p->layout;
    for (uint32_t c = 0; c < l->channels; c++) {
        uint32_t h, e;
        double x = 0;
        if (p->whole && c < p->n_channels) {
            x = bias(&p->weights.o, c);
            for (uint32_t k = 0; k < p->n_channels; k++)
                x += weight(&p->weights.o, k, c) * bias(&p->weights.v, k);
            x /= p->output_scale;
        } else if (!p->whole && channel_parts(p, c, &h, &e)) {
            x = bias(&p->weights.v, column(p, h, e)) / p->value_scale;
        }
        for (uint32_t s = 0; s < l->pairs; s++) slots[(size_t)c * l->pairs + s] = x;
    }
}
