/* What every fallible call returns, and how to read it. */
#ifndef MZV_STATUS_H
#define MZV_STATUS_H
#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MZV_MUST_CHECK __attribute__((warn_unused_result))
#define MZV_API __attribute__((visibility("default")))
#else
#define MZV_MUST_CHECK
#define MZV_API
#endif

/* clang-format off */
#define MZV_STATUS_MAP(X)                                                        \
    X(OK,            "success")                                                  \
    X(ERR_ARGUMENT,  "an argument is outside its documented range")              \
    X(ERR_PARAMS,    "the parameter set is inconsistent or insecure")            \
    X(ERR_LEVEL,     "not enough levels left in the modulus chain")              \
    X(ERR_SCALE,     "the scales of the operands differ")                        \
    X(ERR_KEY,       "an evaluation key this operation needs was not supplied")  \
    X(ERR_FORMAT,    "a file or message is not what its header claims")          \
    X(ERR_MISMATCH,  "an object belongs to other parameters, another key or another model") \
    X(ERR_PRECISION, "the result is outside its certified precision")            \
    X(ERR_RANGE,     "a value is outside the range that was calibrated")         \
    X(ERR_MEMORY,    "out of host memory")                                       \
    X(ERR_IO,        "a file could not be read or written")                      \
    X(ERR_RANDOM,    "the operating system gave no randomness")                  \
    X(ERR_NO_DEVICE, "the requested device is not present")                      \
    X(ERR_DEVICE,    "the device reported a fault")                              \
    X(ERR_CANCELLED, "the progress callback asked to stop")                      \
    X(ERR_INTERNAL,  "an invariant inside the library does not hold")
/* clang-format on */

typedef enum mzv_status {
#define X(name, text) MZV_##name,
    MZV_STATUS_MAP(X)
#undef X
} mzv_status;

/* The name ("MZV_ERR_LEVEL") and the one-line meaning of a status. Never NULL. */
MZV_API const char *mzv_status_name(mzv_status status);
MZV_API const char *mzv_status_text(mzv_status status);

/* What went wrong in the last call on this thread that did not return MZV_OK. Never NULL. */
MZV_API const char *mzv_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
