// One pass of the gated GNN over all nodes, and its gradient. service/ghn/directed_pass.py has the formulas,
// service/ghn/array_pass.py the same pass in numpy.
//
// A node is computed from its own row and from the rows that it hears from, in their order: what else is in the batch
// changes no bit.
//
// Shape legend: N nodes, C width of a state, P width of the message MLPs, K kinds of messages. C, P and K * C are
// multiples of the lanes of a vector.
#include <cstdint>
#include <cstring>

// Compiled twice; the loader takes what the processor can run when the library is opened.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EVERY_CPU __attribute__((target_clones("fma", "default")))
#else
#define FOR_EVERY_CPU
#endif
#define INLINE static inline __attribute__((always_inline))

namespace {

// What a type of numbers needs. ROUNDER: 1.5 * 2^mantissa bits; a sum with it is a whole number. LN2_HIGH has so few
// bits that its product with an exponent is exact. From SATURATED on, tanh is 1.
template <typename Real> struct Numbers;
template <> struct Numbers<float> {
    typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));
    typedef int32_t integers __attribute__((vector_size(32)));
    static constexpr int LANES = 8, MANTISSA_BITS = 23, EXPONENT_BIAS = 127, TERMS = 7;
    static constexpr float ROUNDER = 12582912.0f, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f, SATURATED = 10;
};
template <> struct Numbers<double> {
    typedef double vector __attribute__((vector_size(32), aligned(8), may_alias));
    typedef int64_t integers __attribute__((vector_size(32)));
    static constexpr int LANES = 4, MANTISSA_BITS = 52, EXPONENT_BIAS = 1023, TERMS = 13;
    static constexpr double ROUNDER = 6755399441055744.0, LN2_HIGH = 6.93145751953125e-1,
                            LN2_LOW = 1.42860682030941723212e-6, SATURATED = 20;
};

// A level: its rows [start, stop), the rows [low, high) that it hears from, and where its block lies: of the kind k,
// node v and origin u at place + k * per_kind + (v - start) * per_row + (u - low).
struct Level {
    int64_t start, stop, low, high, place, per_kind, per_row;
};

template <typename Real> using Vector = typename Numbers<Real>::vector;
template <typename Real> INLINE const Vector<Real> &at(const Real *row) { return *(const Vector<Real> *)row; }
template <typename Real> INLINE Vector<Real> &at(Real *row) { return *(Vector<Real> *)row; }

// out += the sum over u of weights[u] * rows[u]; rows are `stride` apart. SKIPS: most weights are zeros. Four vectors of
// the result stay in registers.
template <bool SKIPS, typename Real>
INLINE void add_rows(const Real *weights, int64_t count, const Real *rows, int64_t stride, int64_t width, Real *out) {
    constexpr int LANES = Numbers<Real>::LANES;
    int64_t j = 0;
    for (; j + 4 * LANES <= width; j += 4 * LANES) {
        Vector<Real> a = at(out + j), b = at(out + j + LANES), c = at(out + j + 2 * LANES), d = at(out + j + 3 * LANES);
        for (int64_t u = 0; u < count; u++) {
            if (SKIPS && weights[u] == 0) continue;
            const Real *x = rows + u * stride + j;
            a += weights[u] * at(x);
            b += weights[u] * at(x + LANES);
            c += weights[u] * at(x + 2 * LANES);
            d += weights[u] * at(x + 3 * LANES);
        }
        at(out + j) = a;
        at(out + j + LANES) = b;
        at(out + j + 2 * LANES) = c;
        at(out + j + 3 * LANES) = d;
    }
    for (; j < width; j += LANES) {
        Vector<Real> a = at(out + j);
        for (int64_t u = 0; u < count; u++)
            if (!SKIPS || weights[u] != 0) a += weights[u] * at(rows + u * stride + j);
        at(out + j) = a;
    }
}

// out = start + row @ matrix (rows, width). Without a start: nullptr.
template <typename Real>
INLINE void product(const Real *row, const Real *matrix, const Real *start, int64_t rows, int64_t width, Real *out) {
    if (start)
        memcpy(out, start, width * sizeof(Real));
    else
        memset(out, 0, width * sizeof(Real));
    add_rows<false>(row, rows, matrix, width, width, out);
}

// tanh by exp(-2 |x|) = 2^k exp(r), |r| <= ln(2) / 2, and the series of exp. Its absolute error is that of a rounding.
template <typename Real> INLINE void tanh(Real *row, int64_t width) {
    typedef Numbers<Real> Type;
    typedef typename Type::integers Integers;
    const Vector<Real> zero = {}, one = zero + 1, most = zero + Type::SATURATED;
    for (int64_t j = 0; j < width; j += Type::LANES) {
        Vector<Real> x = at(row + j), size = x < zero ? -x : x;
        size = size > most ? most : size;
        Vector<Real> exponent = size * Real(-2), shifted = exponent * Real(1.44269504088896340736) + Type::ROUNDER;
        Vector<Real> k = shifted - Type::ROUNDER;
        Vector<Real> r = exponent - k * Type::LN2_HIGH - k * Type::LN2_LOW, series = one;
        for (int term = Type::TERMS; term > 0; term--) series = series * r * (Real(1) / term) + one;
        // The low bits of `shifted` are k; those of the rounder alone are zeros.
        Integers power = ((Integers)shifted + Type::EXPONENT_BIAS) << Type::MANTISSA_BITS;
        Vector<Real> e = series * (Vector<Real>)power, result = (one - e) / (one + e);
        at(row + j) = x < zero ? -result : x == x ? result : x;  // x is not itself where it is not a number
    }
}

template <typename Real> INLINE void relu(Real *row, int64_t width) {
    const Vector<Real> zero = {};
    for (int64_t j = 0; j < width; j += Numbers<Real>::LANES) at(row + j) = at(row + j) < zero ? zero : at(row + j);
}

// out where `on` is positive, else 0.
template <typename Real> INLINE void mask(const Real *on, int64_t width, Real *out) {
    const Vector<Real> zero = {};
    for (int64_t j = 0; j < width; j += Numbers<Real>::LANES) at(out + j) = at(on + j) > zero ? at(out + j) : zero;
}

// Matrices are (inputs, outputs). gh (N, 3C), w_i (C, 3C), b_i (3C): of the gates r, z, n, those of r and z halved, since
// sigmoid(x) = (tanh(x / 2) + 1) / 2. Results, a row a node: m the sum of the messages, rz and n the gates, h the new
// state, p and x the layers of the message MLPs. gi: scratch for 3C numbers.
template <typename Real>
INLINE void forward(const Level *levels, int64_t count, const Real *blocks, int64_t K, int64_t C, int64_t P,
                    const Real *h_before, const Real *gh, const Real *w_i, const Real *b_i, const Real *w_1,
                    const Real *b_1, const Real *w_2, const Real *b_2, Real *m, Real *rz, Real *n, Real *h, Real *p,
                    Real *x, Real *gi) {
    constexpr int LANES = Numbers<Real>::LANES;
    for (const Level *level = levels; level < levels + count; level++)
        for (int64_t v = level->start; v < level->stop; v++) {
            const Real *gh_v = gh + v * 3 * C, *old_v = h_before + v * C;
            Real *m_v = m + v * C, *rz_v = rz + v * 2 * C, *n_v = n + v * C, *h_v = h + v * C;
            Real *p_v = p + v * P, *x_v = x + v * K * C;
            memset(m_v, 0, C * sizeof(Real));
            for (int64_t kind = 0; kind < K; kind++)
                add_rows<true>(blocks + level->place + kind * level->per_kind + (v - level->start) * level->per_row,
                               level->high - level->low, x + (level->low * K + kind) * C, K * C, C, m_v);
            product(m_v, w_i, b_i, C, 3 * C, gi);
            for (int64_t j = 0; j < 2 * C; j += LANES) at(rz_v + j) = at(gi + j) + at(gh_v + j);
            tanh(rz_v, 2 * C);
            for (int64_t j = 0; j < 2 * C; j += LANES) at(rz_v + j) = (at(rz_v + j) + Real(1)) * Real(0.5);
            for (int64_t j = 0; j < C; j += LANES)
                at(n_v + j) = at(rz_v + j) * at(gh_v + 2 * C + j) + at(gi + 2 * C + j);
            tanh(n_v, C);
            for (int64_t j = 0; j < C; j += LANES)
                at(h_v + j) = (at(old_v + j) - at(n_v + j)) * at(rz_v + C + j) + at(n_v + j);
            product(h_v, w_1, b_1, C, P, p_v);
            relu(p_v, P);
            product(p_v, w_2, b_2, P, K * C, x_v);
            relu(x_v, K * C);
        }
}

// From the last node of the forward pass to its first. levels, blocks: who reads a level's messages. w_i (3C, C),
// w_1 (P, C), w_2 (KC, P). p, x: of the forward pass. dn_dh, dz_dh, dr_dn: derivatives of the gates. Results, a row a
// node: the gradients of x, of p, of h, of the GRU's inputs to its gates, and of m.
template <typename Real>
INLINE void backward(const Level *levels, int64_t count, const Real *blocks, int64_t K, int64_t C, int64_t P,
                     const Real *gradient, const Real *p, const Real *x, const Real *dn_dh, const Real *dz_dh,
                     const Real *dr_dn, const Real *w_i, const Real *w_1, const Real *w_2, Real *dx, Real *dp,
                     Real *dh, Real *dgi, Real *dm) {
    constexpr int LANES = Numbers<Real>::LANES;
    for (const Level *level = levels; level < levels + count; level++)
        for (int64_t v = level->start; v < level->stop; v++) {
            Real *dx_v = dx + v * K * C, *dp_v = dp + v * P, *dh_v = dh + v * C, *dgi_v = dgi + v * 3 * C;
            memset(dx_v, 0, K * C * sizeof(Real));
            for (int64_t kind = 0; kind < K; kind++)
                add_rows<true>(blocks + level->place + kind * level->per_kind + (v - level->start) * level->per_row,
                               level->high - level->low, dm + level->low * C, C, C, dx_v + kind * C);
            mask(x + v * K * C, K * C, dx_v);
            product(dx_v, w_2, (const Real *)nullptr, K * C, P, dp_v);
            mask(p + v * P, P, dp_v);
            product(dp_v, w_1, gradient + v * C, P, C, dh_v);
            for (int64_t j = 0; j < C; j += LANES) {
                Vector<Real> dn = at(dh_v + j) * at(dn_dh + v * C + j);
                at(dgi_v + j) = dn * at(dr_dn + v * C + j);
                at(dgi_v + C + j) = at(dh_v + j) * at(dz_dh + v * C + j);
                at(dgi_v + 2 * C + j) = dn;
            }
            product(dgi_v, w_i, (const Real *)nullptr, 3 * C, C, dm + v * C);
        }
}

}  // namespace

// The functions that service/ghn/compiled_pass.py calls: all arguments but the first three and the sizes are arrays of
// the type in the name.
#define EXPORT(Real)                                                                                                   \
    extern "C" FOR_EVERY_CPU void forward_##Real(                                                                      \
        const int64_t *levels, int64_t count, int64_t K, int64_t C, int64_t P, const Real *blocks, const Real *h,      \
        const Real *gh, const Real *w_i, const Real *b_i, const Real *w_1, const Real *b_1, const Real *w_2,           \
        const Real *b_2, Real *m, Real *rz, Real *n, Real *h_out, Real *p, Real *x, Real *gi) {                        \
        forward<Real>((const Level *)levels, count, blocks, K, C, P, h, gh, w_i, b_i, w_1, b_1, w_2, b_2, m, rz, n,    \
                      h_out, p, x, gi);                                                                                \
    }                                                                                                                  \
    extern "C" FOR_EVERY_CPU void backward_##Real(                                                                     \
        const int64_t *levels, int64_t count, int64_t K, int64_t C, int64_t P, const Real *blocks,                     \
        const Real *gradient, const Real *p, const Real *x, const Real *dn_dh, const Real *dz_dh, const Real *dr_dn,   \
        const Real *w_i, const Real *w_1, const Real *w_2, Real *dx, Real *dp, Real *dh, Real *dgi, Real *dm) {        \
        backward<Real>((const Level *)levels, count, blocks, K, C, P, gradient, p, x, dn_dh, dz_dh, dr_dn, w_i, w_1,   \
                       w_2, dx, dp, dh, dgi, dm);                                                                      \
    }

EXPORT(float)
EXPORT(double)
