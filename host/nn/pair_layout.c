#include "nn/pair_layout.h"

#include <string.h>

#include "base/try.h"

static uint64_t power_of_two_from(uint64_t n) {
    uint64_t p = 1;
    while (p < n) p *= 2;
    return p;
}

static uint64_t padded_channels(uint32_t n_channels, uint32_t n_heads, uint32_t head_dim) {
    const uint64_t outputs = power_of_two_from(n_heads) * power_of_two_from(head_dim);
    const uint64_t inputs = power_of_two_from(n_channels);
    return inputs > outputs ? inputs : outputs;
}

uint64_t mzv_pair_layout_slots(uint32_t n_channels, uint32_t n_heads, uint32_t head_dim, uint32_t n_tokens) {
    return padded_channels(n_channels, n_heads, head_dim) * 2 * power_of_two_from(n_tokens);
}

mzv_status mzv_pair_layout_make(mzv_pair_layout *out, uint32_t n_slots, uint32_t n_channels, uint32_t n_heads,
                                uint32_t head_dim, uint32_t n_tokens) {
    const uint64_t need = mzv_pair_layout_slots(n_channels, n_heads, head_dim, n_tokens);
    if (!n_channels || !n_heads || !head_dim || !n_tokens)
        return mzv_fail(MZV_ERR_ARGUMENT, "attention layout: a size is zero");
    if (need > n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "attention layout: %u tokens of %u channels take %llu slots, the ring has %u; use fewer tokens",
                        n_tokens, n_channels, (unsigned long long)need, n_slots);
    const uint32_t channels = (uint32_t)padded_channels(n_channels, n_heads, head_dim);
    mzv_pair_layout l = { .n_slots = n_slots, .channels = channels };
    l.heads = (uint32_t)power_of_two_from(n_heads);
    l.dim = (uint32_t)power_of_two_from(head_dim);
    l.copies = channels / (l.heads * l.dim);
    l.pairs = n_slots / channels;
    l.tokens = (uint32_t)power_of_two_from(n_tokens);
    l.group = 2 * l.tokens;
    l.rows = l.pairs / l.group;
    *out = l;
    return MZV_OK;
}

void mzv_pair_pack(mzv_complex *queries, mzv_complex *keys, const mzv_pair_layout *l, const mzv_pair_span *span,
                   const float *x, uint32_t n_channels, double scale) {
    memset(queries, 0, l->n_slots * sizeof *queries);
    memset(keys, 0, l->n_slots * sizeof *keys);
    for (uint32_t c = 0; c < n_channels; c++)
        for (uint32_t i = 0; i < span->n_rows; i++)
            for (uint32_t j = 0; j < span->n_tokens; j++) {
                if (!mzv_pair_alive(span, i, j)) continue;
                const size_t slot = (size_t)c * l->pairs + (size_t)i * l->group + j;
                queries[slot] = x[(size_t)(span->first_row + i) * n_channels + c] / scale;
                keys[slot] = x[(size_t)j * n_channels + c] / scale;
            }
}

void mzv_pair_unpack(float *out, const mzv_pair_layout *l, uint32_t n_rows, const mzv_complex *slots,
                     uint32_t n_out, const uint32_t *channel_of, double scale) {
    for (uint32_t i = 0; i < n_rows; i++)
        for (uint32_t k = 0; k < n_out; k++) {
            const uint32_t c = channel_of ? channel_of[k] : k;
            out[(size_t)i * n_out + k] =
                (float)(__real__ slots[(size_t)c * l->pairs + (size_t)i * l->group] * scale);
        }
}
