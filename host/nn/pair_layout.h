/* Slots of an encrypted attention: one slot for each channel of each (query, key) pair.
 *
 *     slot(c, i, j) = c * pairs + i * group + j,   c < channels, i < rows, j < group
 *
 * The channel is the slowest index and fills all slots, so a rotation by a multiple of `pairs` is cyclic in the
 * channels of every pair at once: linear layers and sums over a head need no mask. Keys use positions
 * j < tokens = group / 2; the rest of the group is zero, so that a window sum over j reaches every key of its own
 * query and none of another. Channels are ordered (copy, e, h): index (copy * dim + e) * heads + h, heads and dim padded
 * to powers of two; several copies of the outputs fill the channels when heads * dim < channels. */
#ifndef MZV_NN_PAIR_LAYOUT_H
#define MZV_NN_PAIR_LAYOUT_H
#include <stdbool.h>
#include "mzv/cipher.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_pair_layout {
    uint32_t n_slots;
    uint32_t channels; /* padded */
    uint32_t heads, dim, copies; /* padded; copies * dim * heads = channels */
    uint32_t pairs;    /* n_slots / channels = rows * group */
    uint32_t group;    /* power of two, 2 * tokens */
    uint32_t tokens;   /* keys of one query at most */
    uint32_t rows;     /* queries of one ciphertext */
} mzv_pair_layout;

/* The layout of n_channels channels and n_heads heads of head_dim for up to n_tokens tokens, with as many rows as
 * fit. MZV_ERR_ARGUMENT says how many slots it would take. */
mzv_status mzv_pair_layout_make(mzv_pair_layout *out, uint32_t n_slots, uint32_t n_channels, uint32_t n_heads,
                                uint32_t head_dim, uint32_t n_tokens) MZV_MUST_CHECK;
/* Slots that one row needs. */
uint64_t mzv_pair_layout_slots(uint32_t n_channels, uint32_t n_heads, uint32_t head_dim, uint32_t n_tokens);

/* Which pairs are alive: queries first_row .. first_row + n_rows - 1 against keys below n_tokens, and not after the
 * query when causal. */
typedef struct mzv_pair_span {
    uint32_t n_tokens, first_row, n_rows;
    bool causal;
} mzv_pair_span;

static inline bool mzv_pair_alive(const mzv_pair_span *s, uint32_t i, uint32_t j) {
    return i < s->n_rows && j < s->n_tokens && (!s->causal || j <= s->first_row + i);
}

/* The channel that holds component e of head h in copy k. */
static inline uint32_t mzv_pair_channel(const mzv_pair_layout *l, uint32_t k, uint32_t e, uint32_t h) {
    return (k * l->dim + e) * l->heads + h;
}

/* Client: packs x [n_tokens x n_channels] as queries (row i's token at every alive j) and as keys (token j at every
 * alive row). slots: n_slots each, written in full; values are divided by `scale`. */
void mzv_pair_pack(mzv_complex *queries, mzv_complex *keys, const mzv_pair_layout *l, const mzv_pair_span *span,
                   const float *x, uint32_t n_channels, double scale);
/* Client: row i's result at j = 0, times `scale`: out [n_rows x n_out], n_out output channels by `channel_of`
 * (NULL: channel c itself). */
void mzv_pair_unpack(float *out, const mzv_pair_layout *l, uint32_t n_rows, const mzv_complex *slots,
                     uint32_t n_out, const uint32_t *channel_of, double scale);

#ifdef __cplusplus
}
#endif
#endif
