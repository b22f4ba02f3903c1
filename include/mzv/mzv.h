/* The public API of Mezzavoce: encrypted inference on CKKS.
 *
 * Conventions, for every function of these headers.
 *  Order of arguments  handle, outputs, in/outs, inputs, then plain values.
 *  Errors              anything that can fail returns mzv_status; mzv_last_error() says why. On failure
 *                      *out is left untouched; an output ciphertext keeps its old value.
 *  Ownership           X_create makes, X_destroy unmakes (NULL is allowed). What is passed as const is only
 *                      read; nothing passed is kept, except where "borrows" is written.
 *  Threads             context, keys and models are immutable once made and shared freely. An evaluator
 *                      belongs to one thread at a time: make one per thread.
 *  Units               levels are counted in primes left to drop; `log_` is base 2; sizes say _bytes,
 *                      times say _s. */
#ifndef MZV_H
#define MZV_H
#include "mzv/status.h"
#include "mzv/params.h"
#include "mzv/context.h"
#include "mzv/cipher.h"
#include "mzv/keys.h"
#include "mzv/eval.h"
#endif
