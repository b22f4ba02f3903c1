/* The middle of a change of basis, fused: for a strip of columns of the matrix of pass.cuh, the inverse
 * transform down the columns of all source rows, the conversion, and the forward transform down the columns
 * of all target rows. The strip of the sources stays in shared memory. */
#ifndef MZV_CUDA_STRIP_CUH
#define MZV_CUDA_STRIP_CUH
#include "device.cuh"

namespace mzv_cuda {

/* From rows of y (words after the inverse pass along the rows) to rows of r (words before the forward one).
 */
struct Conversion {
    Ranges from, to;
};

struct StripArgs {
    Target r;
    Source y;
    size_t r_step;   /* words between the outputs of two conversions */
    bool multiplies; /* by F, the product of `from`: see basis.cu */
    uint32_t n;
    Conversion conversion[MZV_MAX_DIGITS];
};

/* Whether the device has the shared memory, and the arithmetic the room, for so many sources. */
bool strip_fits(const Backend *be, uint32_t n_sources);
/* Once for a backend: its strips may take all shared memory that a block may have. */
mzv_status allow_strips(const Backend *be) MZV_MUST_CHECK;
/* All conversions of all polynomials in one launch; each must fit. */
mzv_status convert_strips(mzv_stream *s, const StripArgs &args, uint32_t batch) MZV_MUST_CHECK;

} // namespace mzv_cuda
#endif
