// As much of Metal's language and library as naga's text of our kernels needs, for NVIDIA's compiler.

#define device
#define threadgroup
#define thread
#define constant const

namespace metal {

using uint = unsigned;

template <class T, int N> struct members;
template <class T> struct alignas(2 * sizeof(T)) members<T, 2> { T x, y; };
template <class T> struct alignas(4 * sizeof(T)) members<T, 3> { T x, y, z; };
template <class T> struct alignas(4 * sizeof(T)) members<T, 4> { T x, y, z, w; };

#define FOR_EACH(i) _Pragma("unroll") for (int i = 0; i < N; i++)
#define OPERATOR(R, op) \
    friend vec<R, N> operator op(vec a, vec b) { vec<R, N> r; FOR_EACH(i) r[i] = a[i] op b[i]; return r; }

// No initializers: workgroup memory has to be allowed to have such members.
template <class T, int N> struct vec : members<T, N> {
    vec() = default;
    vec(T value) { FOR_EACH(i) (*this)[i] = value; }
    vec(T x, T y) : members<T, N>{x, y} {}
    vec(T x, T y, T z) : members<T, N>{x, y, z} {}
    vec(T x, T y, T z, T w) : members<T, N>{x, y, z, w} {}
    template <class U> explicit vec(vec<U, N> other) { FOR_EACH(i) (*this)[i] = T(other[i]); }
    T& operator[](int i) { return (&this->x)[i]; }
    T operator[](int i) const { return (&this->x)[i]; }
    vec operator-() const { vec r; FOR_EACH(i) r[i] = -(*this)[i]; return r; }
    vec& operator-=(vec other) { return *this = *this - other; }
    OPERATOR(T, +) OPERATOR(T, -) OPERATOR(T, *) OPERATOR(T, /)
    OPERATOR(T, &) OPERATOR(T, |) OPERATOR(T, <<) OPERATOR(T, >>)
    OPERATOR(bool, ==) OPERATOR(bool, !=) OPERATOR(bool, <) OPERATOR(bool, <=) OPERATOR(bool, >) OPERATOR(bool, >=)
};

using float2 = vec<float, 2>;
using uint2 = vec<uint, 2>;
using uint3 = vec<uint, 3>;
using uint4 = vec<uint, 4>;
using bool4 = vec<bool, 4>;
using float4 = vec<float, 4>;

#define FUNCTION_1(T, name, code) \
    T name(T a) { return code; } \
    template <int N> vec<T, N> name(vec<T, N> a) { vec<T, N> r; FOR_EACH(i) r[i] = name(a[i]); return r; }
#define FUNCTION_2(T, name, code) \
    T name(T a, T b) { return code; } \
    template <int N> vec<T, N> name(vec<T, N> a, vec<T, N> b) { vec<T, N> r; FOR_EACH(i) r[i] = name(a[i], b[i]); return r; }

FUNCTION_1(float, abs, fabsf(a))
FUNCTION_1(float, sqrt, sqrtf(a))
FUNCTION_1(float, exp, __expf(a))
FUNCTION_1(float, log, __logf(a))
FUNCTION_1(uint, popcount, __popc(a))
FUNCTION_1(uint, clz, __clz(a))
FUNCTION_2(uint, min, a < b ? a : b)
FUNCTION_2(uint, max, a > b ? a : b)
FUNCTION_2(float, min, fminf(a, b))
FUNCTION_2(float, max, fmaxf(a, b))

uint clamp(uint a, uint low, uint high) { return min(max(a, low), high); }
float4 clamp(float4 a, float4 low, float4 high) { return min(max(a, low), high); }
float4 clamp(float4 a, float low, float high) { return clamp(a, float4(low), float4(high)); }
float dot(float4 a, float4 b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]; }
float4 fma(float4 a, float4 b, float4 c) { float4 r; for (int i = 0; i < 4; i++) r[i] = fmaf(a[i], b[i], c[i]); return r; }
uint extract_bits(uint a, uint offset, uint count) { return count == 0 ? 0 : a >> offset & 0xffffffffu >> (32 - count); }

template <class T> T select(T a, T b, bool c) { return c ? b : a; }
template <class T, int N> vec<T, N> select(vec<T, N> a, vec<T, N> b, vec<bool, N> c) {
    vec<T, N> r;
    FOR_EACH(i) r[i] = c[i] ? b[i] : a[i];
    return r;
}
float4 sign(float4 a) { return select(select(float4(0.0f), float4(-1.0f), a < float4(0.0f)), float4(1.0f), a > float4(0.0f)); }
template <int N> bool all(vec<bool, N> a) { bool r = true; FOR_EACH(i) r = r && a[i]; return r; }
template <int N> bool any(vec<bool, N> a) { bool r = false; FOR_EACH(i) r = r || a[i]; return r; }

struct float4x4 {
    float4 columns[4];
    float4x4(float4 a, float4 b, float4 c, float4 d) : columns{a, b, c, d} {}
    float4 operator[](int i) const { return columns[i]; }
};
float4x4 transpose(float4x4 m) {
    auto row = [&](int i) { return float4(m[0][i], m[1][i], m[2][i], m[3][i]); };
    return float4x4(row(0), row(1), row(2), row(3));
}

enum mem_flags { mem_none, mem_device, mem_threadgroup };
void threadgroup_barrier(mem_flags) { __syncthreads(); }

struct atomic_uint { uint value; };
enum memory_order { memory_order_relaxed };
void atomic_store_explicit(atomic_uint* a, uint value, memory_order) { *(volatile uint*)&a->value = value; }
uint atomic_load_explicit(atomic_uint* a, memory_order) { return *(volatile uint*)&a->value; }
uint atomic_fetch_add_explicit(atomic_uint* a, uint value, memory_order) { return atomicAdd(&a->value, value); }
uint atomic_fetch_or_explicit(atomic_uint* a, uint value, memory_order) { return atomicOr(&a->value, value); }

}
