// Some tokens more for each sequence: the whole model in one call, reading every weight once.
//
// Matrices are read in the form they are stored in, float, bf16, or int8 with a factor for each
// row, and multiplied in float. A null pointer stands for what is absent. Threads are started once
// a token; between the stages of a layer they only wait for each other.
#include "multiply.h"

struct Norm {
    const float *weight, *bias;
    int64_t centred;
    float eps;
};

struct Layer {
    Norm before_attention, query_norm, key_norm, before_feedforward;
    Matrix query, key, value, output, gate, up, down;
    float* keys;    // [sequence kv_head channel block]
    float* values;  // [sequence kv_head block channel]
};

struct Model {
    int64_t n_layer, width, heads, kv_heads, channels, block, bend;
    float scale, embedding_scale;
    const float *embedding, *places, *cos, *sin;
    const Layer* layers;
    Norm final_norm;
    Matrix output;
    float *stream, *normed, *change;           // [sequence width]
    float *query, *mixed;                      // [sequence head channel]
    float *new_keys, *new_values;              // [sequence kv_head channel]
    float *inner, *gates;                      // [sequence inner width]
    float* scores;                             // [thread, block rounded up to LANES]
    Lanes* turned;                             // [16 sequences, widest input, sequence]
};

enum Bend { RELU, GELU, GELU_TANH, GELU_SIGMOID, SWIGLU };

static void normalise(const Norm& norm, const float* x, float* y, int64_t n) {
    if (!norm.weight) {
        if (x != y) std::copy(x, x + n, y);
        return;
    }
    float mean = 0.0f, square = 0.0f;
    if (norm.centred) {
        SUM(mean) for (int64_t c = 0; c < n; c++) mean += x[c];
        mean /= float(n);
    }
    SUM(square) for (int64_t c = 0; c < n; c++) square += (x[c] - mean) * (x[c] - mean);
    const float rstd = inverse_root(square / float(n) + norm.eps);
    for (int64_t c = 0; c < n; c++)
        y[c] = (x[c] - mean) * rstd * norm.weight[c] + (norm.bias ? norm.bias[c] : 0.0f);
}

static void turn(const Model& m, float* x, int64_t position) {
    if (!m.cos) return;
    const int64_t half = m.channels / 2;
    const float *co = m.cos + position * m.channels, *si = m.sin + position * m.channels;
    for (int64_t c = 0; c < half; c++) {
        const float first = x[c], second = x[c + half];
        x[c] = first * co[c] - second * si[c];
        x[c + half] = second * co[c + half] + first * si[c + half];
    }
}

struct Step {  // `span` tokens of each of `count` sequences, from `position` on
    const int64_t* tokens;
    float* logits;  // of the last token of each, or of all
    const int64_t *slots, *starts;  // which of the cache's sequences, and a position for each
    int64_t count, span, position, all, alike;

    int64_t rows() const { return count * span; }
    int64_t sequence(int64_t row) const { return slots ? slots[row / span] : row / span; }
    int64_t place(int64_t row) const {
        return (starts ? starts[row / span] : position) + row % span;
    }
};

// N vectors of channels of the values up to a position, mixed.
template <int N>
static void mix(const float* weights, const float* values, int64_t n, int64_t position,
                float* out) {
    Lanes sums[N] = {};
    for (int64_t k = 0; k <= position; k++)
        for (int64_t i = 0; i < N; i++) sums[i] += weights[k] * lanes(values + k * n + i * LANES);
    for (int64_t i = 0; i < N; i++) store(out + i * LANES, sums[i]);
}

static const int64_t CHANNELS_AHEAD = 8;  // keys of a channel lie too far from the next one's

// One head of one token: its query against all keys up to it, and the mixture of the values.
static void attend(const Model& m, const Layer& l, const Step& step, int64_t row, int64_t head,
                   float* scores) {
    const int64_t kv = head / (m.heads / m.kv_heads), n = m.channels;
    const int64_t s = step.sequence(row), position = step.place(row);
    const float* keys = l.keys + (s * m.kv_heads + kv) * m.block * n;
    const float* values = l.values + (s * m.kv_heads + kv) * m.block * n;
    const int64_t place = (row * m.heads + head) * n;
    float *query = m.query + place, *out = m.mixed + place;
    normalise(l.query_norm, query, query, n);
    turn(m, query, position);
    std::fill(scores, scores + position + 1, 0.0f);
    for (int64_t c = 0; c < n; c++) {
        const float *key = keys + c * m.block, *later = key + CHANNELS_AHEAD * m.block;
        for (int64_t k = 0; k <= position; k += LANES) __builtin_prefetch(later + k);
        WIDE for (int64_t k = 0; k <= position; k++) scores[k] += query[c] * key[k];
    }
    softmax(scores, position, rounded_up(position + 1, LANES), m.scale);
    int64_t c = 0;
    for (; c + 4 * LANES <= n; c += 4 * LANES) mix<4>(scores, values + c, n, position, out + c);
    for (; c + LANES <= n; c += LANES) mix<1>(scores, values + c, n, position, out + c);
    for (; c < n; c++) {
        float mixed = 0.0f;
        for (int64_t k = 0; k <= position; k++) mixed += scores[k] * values[k * n + c];
        out[c] = mixed;
    }
}

// Bring the new keys and values of one token and head into the cache.
static void remember(const Model& m, const Layer& l, const Step& step, int64_t row, int64_t kv) {
    const int64_t n = m.channels, head = step.sequence(row) * m.kv_heads + kv;
    const int64_t position = step.place(row), from = (row * m.kv_heads + kv) * n;
    float *key = m.new_keys + from, *value = m.new_values + from;
    normalise(l.key_norm, key, key, n);
    turn(m, key, position);
    for (int64_t c = 0; c < n; c++) l.keys[(head * n + c) * m.block + position] = key[c];
    std::copy(value, value + n, l.values + (head * m.block + position) * n);
}

static inline float bend(int64_t kind, float x) {
    if (kind == RELU) return x < 0.0f ? 0.0f : x;
    if (kind == GELU) return x * normal(x);
    if (kind == GELU_TANH) return x * sigmoid(1.5957691216f * (x + 0.044715f * x * x * x));
    return x * sigmoid(1.702f * x);
}

// This thread's share of what lies between the products of the feed-forward layer, for one row. The
// kind is a constant in each loop, so that the loop is vectors.
static void bend_row(const Model& m, float* __restrict x, const float* __restrict gate, int64_t n) {
    const int64_t t = omp_get_thread_num(), threads = omp_get_num_threads();
    const int64_t first = n * t / threads, last = n * (t + 1) / threads;
    if (m.bend == SWIGLU)
        WIDE for (int64_t i = first; i < last; i++) x[i] *= gate[i] * sigmoid(gate[i]);
    if (m.bend == RELU) WIDE for (int64_t i = first; i < last; i++) x[i] = bend(RELU, x[i]);
    if (m.bend == GELU) WIDE for (int64_t i = first; i < last; i++) x[i] = bend(GELU, x[i]);
    if (m.bend == GELU_TANH)
        WIDE for (int64_t i = first; i < last; i++) x[i] = bend(GELU_TANH, x[i]);
    if (m.bend == GELU_SIGMOID)
        WIDE for (int64_t i = first; i < last; i++) x[i] = bend(GELU_SIGMOID, x[i]);
}

static void attention(const Model& m, const Layer& l, const Step& step) {
    const int64_t rows = step.rows();
    const Input normed = prepare(m.turned, m.normed, l.query, rows, step.alike);
    times(l.query, normed, m.query);
    times(l.key, normed, m.new_keys);
    times(l.value, normed, m.new_values);
    MEET;
    EACH(i, rows * m.kv_heads) remember(m, l, step, i / m.kv_heads, i % m.kv_heads);
    float* scores = m.scores + omp_get_thread_num() * rounded_up(m.block, LANES);
    EACH(i, rows * m.heads) attend(m, l, step, i / m.heads, i % m.heads, scores);
    times(l.output, prepare(m.turned, m.mixed, l.output, rows, step.alike), m.change);
    MEET;
}

static void feed_forward(const Model& m, const Layer& l, const Step& step) {
    const int64_t rows = step.rows(), n = l.up.rows;
    const Input normed = prepare(m.turned, m.normed, l.up, rows, step.alike);
    times(l.up, normed, m.inner);
    if (m.bend == SWIGLU) times(l.gate, normed, m.gates);
    MEET;
    for (int64_t r = 0; r < rows; r++) bend_row(m, m.inner + r * n, m.gates + r * n, n);
    MEET;
    times(l.down, prepare(m.turned, m.inner, l.down, rows, step.alike), m.change);
    MEET;
}

// Add what a sublayer made to the stream, and normalise that for the next one.
static void add_norm(const Model& m, const Norm& next, int64_t rows) {
    EACH(r, rows) {
        float* x = m.stream + r * m.width;
        for (int64_t c = 0; c < m.width; c++) x[c] += m.change[r * m.width + c];
        normalise(next, x, m.normed + r * m.width, m.width);
    }
}

extern "C" void decode_step(const Model* model, const Step* step, int threads) {
    const Model& m = *model;
    const int64_t rows = step->rows();
#pragma omp parallel num_threads(threads)
    {
        EACH(r, rows) {
            float* x = m.stream + r * m.width;
            const float *token = m.embedding + step->tokens[r] * m.width,
                        *place = m.places ? m.places + step->place(r) * m.width : nullptr;
            for (int64_t c = 0; c < m.width; c++)
                x[c] = m.embedding_scale * token[c] + (place ? place[c] : 0.0f);
            normalise(m.n_layer ? m.layers[0].before_attention : m.final_norm, x,
                      m.normed + r * m.width, m.width);
        }
        for (int64_t i = 0; i < m.n_layer; i++) {
            const Layer& l = m.layers[i];
            attention(m, l, *step);
            add_norm(m, l.before_feedforward, rows);
            feed_forward(m, l, *step);
            add_norm(m, i + 1 < m.n_layer ? m.layers[i + 1].before_attention : m.final_norm, rows);
        }
        const float* read = m.normed;
        if (!step->all) {
            read = m.change;
            EACH(s, step->count) {
                const float* last = m.normed + ((s + 1) * step->span - 1) * m.width;
                std::copy(last, last + m.width, m.change + s * m.width);
            }
        }
        const int64_t told = step->all ? rows : step->count;
        times(m.output, prepare(m.turned, read, m.output, told, step->alike), step->logits);
    }
}
