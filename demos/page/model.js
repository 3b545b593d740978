"use strict";
// The model in the browser, with the names of the Python package: layers, distributions, the ELBO,
// the exact posterior on a grid, and how a Gaussian climbs to it. page.js, which follows it on the
// page, shows it; this file alone runs a second time in a Web Worker, which has the heavy work.
//
// A vector is a typed array; one image at a time, so there are no batch axes. Unit: nats.

// ------------------------------------------------ Layers

class Linear {
  // y = x W + b, with W of shape (n_in, n_out), row by row in one array.
  constructor(n_in, n_out, weight, bias) { Object.assign(this, { n_in, n_out, weight, bias }); }

  forward(x) {
    // Four rows of W at a time: 0.07 ms for (200, 784) where one by one took 0.15.
    const { n_in, n_out, weight } = this;
    const y = new Float64Array(this.bias);
    let i = 0;
    for (; i + 3 < n_in; i += 4) {
      const [x0, x1, x2, x3] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
      let k0 = i * n_out, k1 = k0 + n_out, k2 = k1 + n_out, k3 = k2 + n_out;
      for (let j = 0; j < n_out; j++) {
        y[j] += x0 * weight[k0++] + x1 * weight[k1++] + x2 * weight[k2++] + x3 * weight[k3++];
      }
    }
    for (; i < n_in; i++) for (let j = 0; j < n_out; j++) y[j] += x[i] * weight[i * n_out + j];
    return y;
  }

  times(dy) {
    // W dy, which is also the derivative in x.
    const { n_in, n_out, weight } = this;
    const dx = new Float64Array(n_in);
    for (let i = 0, k = 0; i < n_in; i++, k += n_out) {
      let sum = 0;
      for (let j = 0; j < n_out; j++) sum += weight[k + j] * dy[j];
      dx[i] = sum;
    }
    return dx;
  }
}

class Elementwise {
  constructor(forward) { this.forward = (x) => x.map(forward); }
}

class Sequential {
  constructor(layers) { this.layers = layers; }

  forward(x) { return this.layers.reduce((value, layer) => layer.forward(value), x); }
}

const sigmoid = (a) => 1 / (1 + Math.exp(-a)); // where exp overflows, 1/Infinity is 0, as it should
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
const sum_of = (values) => values.reduce((sum, v) => sum + v, 0);

function log_sum_exp(values) {
  let largest = -Infinity;
  for (const v of values) if (v > largest) largest = v;
  let sum = 0;
  for (const v of values) if (v > largest - 40) sum += Math.exp(v - largest);
  return largest + Math.log(sum);
}

// Draws from N(0, 1), by Box and Muller.
const one_normal = () =>
  Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const normal = (size) => Float64Array.from({ length: size }, one_normal);

// ------------------------------------------------ Distributions

const LOG_2PI = Math.log(2 * Math.PI);

class DiagonalGaussian {
  // N(mean, diag(exp(log_var))).
  constructor(mean, log_var) {
    Object.assign(this, { mean, log_var, std: log_var.map((v) => Math.exp(0.5 * v)) });
  }
  sample(noise) {
    // The reparameterization z = μ + σ ⊙ ε (eq. 4).
    return this.mean.map((m, i) => m + this.std[i] * noise[i]);
  }
  log_prob(x) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      sum += ((x[i] - this.mean[i]) / this.std[i]) ** 2 + this.log_var[i] + LOG_2PI;
    }
    return -0.5 * sum;
  }
  kl_to_standard_normal() {
    // Appendix B: ½ Σ (μ² + σ² − 1 − log σ²).
    const term = (m, i) => m * m + this.std[i] ** 2 - 1 - this.log_var[i];
    return 0.5 * sum_of(this.mean.map(term));
  }
}

class Bernoulli {
  // Independent pixels, each white with probability sigmoid(logit).
  constructor(logits) { this.logits = logits; }

  get mean() {
    return (this.the_mean ??= this.logits.map(sigmoid)); // log_prob does without it
  }
  sample(noise) { return this.mean.map((m, i) => (noise[i] < m ? 1 : 0)); }

  log_prob(x) {
    // Minus the binary cross-entropy.
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] * this.logits[i] - softplus(this.logits[i]);
    return sum;
  }
}

const standard_normal_log_prob = (z) => -0.5 * sum_of(z.map((v) => v * v + LOG_2PI));

// ------------------------------------------------ Networks: parameters of distributions

class GaussianEncoder {
  // q_φ(z|x) = N(z; μ, diag σ²) (eq. 9).
  constructor(network) { this.network = network; }

  forward(x) {
    const heads = this.network.forward(x);
    return new DiagonalGaussian(heads.slice(0, 2), heads.slice(2));
  }
}

class BernoulliDecoder {
  // p_θ(x|z) for black and white, or grey, pixels (appendix C.1).
  constructor(network) { this.network = network; }

  forward(z) { return new Bernoulli(this.network.forward(z)); }

  pixel_noise(size) { return Float64Array.from({ length: size }, Math.random); }
}

class GaussianDecoder {
  // p_θ(x|z) = N(x; mean(z), σ²); σ from the network too, or one number (appendix C.2).
  constructor(network, n_pixels, log_var, squash) {
    Object.assign(this, { network, n_pixels, log_var, squash });
  }
  forward(z) {
    const outputs = this.network.forward(z);
    const mean = outputs.slice(0, this.n_pixels);
    const per_output = this.log_var === null;
    const log_var = per_output ? outputs.slice(this.n_pixels) : mean.map(() => this.log_var);
    return new DiagonalGaussian(this.squash ? mean.map(sigmoid) : mean, log_var);
  }
  pixel_noise(size) { return normal(size); }
}

// ------------------------------------------------ The exact posterior on a grid

const NEGLIGIBLE = 40; // nats below the best: e^−40 of it
const REACH = 6; // standard deviations of q within which a mean under q is summed

class Grid {
  // Points `spacing` apart to ±spacing·half on both axes: log p(x, z) at each of them, so that
  // log p(x) = log Σ p(x, z) · spacing², and p(z|x) = p(x, z) / p(x) by Bayes' rule.
  constructor(decoder, { spacing, half, log_partition }) {
    Object.assign(this, { decoder, spacing, half, log_partition });
    Object.assign(this, { side: 2 * half + 1, log_cell: 2 * Math.log(spacing) });
    if (log_partition) this.remember_hidden();
  }
  point(index) {
    const { side, half, spacing } = this;
    return [(Math.floor(index / side) - half) * spacing, ((index % side) - half) * spacing];
  }
  remember_hidden() {
    // With h(z) the last hidden layer, log p(x|z) of a Bernoulli is h(z)·(W x) + b·x − A(z): h
    // does not depend on x and is made once; A(z) = Σ softplus(logits(z)) came with the page.
    const hidden = new Sequential(this.decoder.network.layers.slice(0, -1));
    this.output = this.decoder.network.layers.at(-1);
    this.h = new Float32Array(this.side ** 2 * this.output.n_in);
    for (let g = 0; g < this.side ** 2; g++) {
      this.h.set(hidden.forward(Float64Array.from(this.point(g))), g * this.output.n_in);
    }
  }
  look_at(x) {
    // log p(x, z) of this image: at every point, or first where it may matter.
    this.forget(x);
    if (this.h) this.fill_all();
    else this.fill_where_it_matters();
    this.finer = new Grid(this.decoder, { spacing: this.spacing / 2, half: 2 * this.half });
    this.finer.forget(x);
  }
  forget(x) {
    this.x = x;
    this.joint = new Float64Array(this.side ** 2).fill(-Infinity);
  }
  under({ cov: [a, , c] }) {
    // The grid that resolves a q: a finer one, filled where it is asked, if q is narrow.
    return this.finer && Math.min(a, c) < (0.72 * this.spacing) ** 2 ? this.finer : this;
  }
  fill_all() {
    const { x, h, joint, output, log_partition } = this;
    const width = output.n_in;
    const Wx = output.times(x);
    let bx = 0;
    for (let j = 0; j < x.length; j++) bx += output.bias[j] * x[j];
    for (let g = 0, k = 0; g < joint.length; g++, k += width) {
      let sum = bx - log_partition[g];
      for (let i = 0; i < width; i++) sum += h[k + i] * Wx[i];
      const [a, b] = this.point(g);
      joint[g] = sum - 0.5 * (a * a + b * b) - LOG_2PI;
    }
  }
  at(index) {
    if (this.joint[index] === -Infinity) {
      const z = Float64Array.from(this.point(index));
      this.joint[index] = this.decoder.forward(z).log_prob(this.x) + standard_normal_log_prob(z);
    }
    return this.joint[index];
  }
  fill_where_it_matters() {
    // Any decoder: the whole network at every point would take seconds. Coarse points first, then
    // ever finer ones beside those that may matter; the slack covers what lies between them.
    const { side, joint } = this;
    let stride = 1;
    while (2 * stride * this.spacing <= 0.4 && this.half % (2 * stride) === 0) stride *= 2;
    for (let i = 0; i < side; i += stride) {
      for (let j = 0; j < side; j += stride) this.at(i * side + j);
    }
    for (; stride > 1; stride /= 2) {
      const best = joint.reduce((a, b) => Math.max(a, b));
      const floor = best - NEGLIGIBLE * (1 + stride * this.spacing * 10);
      for (let i = 0; i < side; i += stride) {
        for (let j = 0; j < side; j += stride) {
          if (joint[i * side + j] < floor) continue;
          for (const a of [i - stride / 2, i, i + stride / 2]) {
            for (const b of [j - stride / 2, j, j + stride / 2]) {
              if (a >= 0 && b >= 0 && a < side && b < side) this.at(a * side + b);
            }
          }
        }
      }
    }
  }
  log_px() { return log_sum_exp(this.joint) + this.log_cell; }

  log_target(index, beta) {
    // What q climbs to where the KL weighs β: p(x|z)^(1/β) p(z); at β = 1, p(x, z).
    const log_joint = this.at(index);
    if (beta === 1) return log_joint;
    const [a, b] = this.point(index);
    return log_joint / beta - (1 - 1 / beta) * (0.5 * (a * a + b * b) + LOG_2PI);
  }
  each_under({ mean, cov: [a, b, c] }, visit) {
    // Each point near a Gaussian, with its offset from the mean and its share of the Gaussian.
    const { side, spacing, half } = this;
    const det = a * c - b * b;
    const density = (spacing * spacing) / (2 * Math.PI * Math.sqrt(det));
    const range = (k, variance) => {
      const reach = REACH * Math.sqrt(variance);
      const ends = [mean[k] - reach, mean[k] + reach].map((v) => v / spacing + half);
      return [Math.max(0, Math.ceil(ends[0])), Math.min(side - 1, Math.floor(ends[1]))];
    };
    const [top, bottom] = range(0, a), [left, right] = range(1, c);
    for (let i = top; i <= bottom; i++) {
      for (let j = left; j <= right; j++) {
        const u = (i - half) * spacing - mean[0], v = (j - half) * spacing - mean[1];
        const square = (c * u * u - 2 * b * u * v + a * v * v) / det;
        if (square > REACH ** 2) continue;
        visit(i * side + j, u, v, density * Math.exp(-0.5 * square));
      }
    }
  }

  // ---- A Gaussian climbs the ELBO

  expectations(q, beta = 1) {
    // With f = log p(x, z): the ELBO E_q[f] + entropy, and what f is like under q: E[∇f] =
    // S E[(f − E f)(z − μ)] and E[∇∇f] = S E[(f − E f)(z − μ)(z − μ)ᵀ] S, where S is q's precision
    // (Bonnet's and Price's theorems). No derivative of f is needed for them. Where the mass of q
    // that was seen is not 1, q is narrower than the grid or stands outside of it: no ELBO is known.
    if (this.under(q) !== this) return this.finer.expectations(q, beta);
    const { mean: [m, n], cov: [a, b, c] } = q;
    const det = a * c - b * b, [s, t, r] = [c / det, -b / det, a / det];
    let mass = 0, f = 0;
    const of_f = [0, 0, 0, 0, 0], of_one = [0, 0, 0, 0, 0]; // E[· u], E[· v], E[· uu], …
    this.each_under(q, (index, u, v, weight) => {
      const value = this.log_target(index, beta);
      mass += weight;
      f += weight * value;
      [u, v, u * u, u * v, v * v].forEach((power, k) => {
        of_f[k] += weight * value * power;
        of_one[k] += weight * power;
      });
    });
    f /= mass;
    const [u, v, uu, uv, vv] = of_f.map((value, k) => (value - f * of_one[k]) / mass);
    return {
      mass,
      elbo: on_grid(mass) ? f + 0.5 * Math.log(det) + LOG_2PI + 1 : -Infinity,
      reconstruction: f + 0.5 * (m * m + n * n + a + c) + LOG_2PI,
      precision: [s, t, r],
      slope: [s * u + t * v, t * u + r * v],
      curvature: [
        s * s * uu + 2 * s * t * uv + t * t * vv,
        s * t * uu + (s * r + t * t) * uv + t * r * vv,
        t * t * uu + 2 * t * r * uv + r * r * vv,
      ],
    };
  }
  within({ mean, cov: [a, b, c] }) {
    // A Gaussian, narrowed where a thousandth of it, or more, may stand outside the grid.
    const room = mean.map((m) => this.half * this.spacing - Math.abs(m));
    const [u, v] = [a, c].map((variance, k) => Math.min(1, room[k] / (3.3 * Math.sqrt(variance))));
    return { mean, cov: [u * u * a, u * v * b, v * v * c] };
  }
  climb(q, { beta = 1, full = false, rate }) {
    // One step uphill, by the natural gradient (arXiv 1703.04265): q's precision moves towards
    // −E[∇∇f], the mean by what the slope says. A step that does not raise the ELBO is halved; a
    // rate of 0 says that none was left.
    const { elbo, slope, curvature, precision } = this.expectations(q, beta);
    const most = (0.36 * this.spacing) ** -2; // of the precision: no grid resolves a narrower q
    for (; rate > 1e-3; rate /= 2) {
      const [s, t, r] = precision.map((p, k) =>
        k === 1 && !full ? 0 : Math.min(most, (1 - rate) * p - rate * curvature[k])
      );
      const det = s * r - t * t;
      if (!(s > 0 && r > 0 && det > 0)) continue;
      const cov = [r / det, -t / det, s / det];
      const step = [cov[0] * slope[0] + cov[1] * slope[1], cov[1] * slope[0] + cov[2] * slope[1]];
      const next = this.within({ mean: q.mean.map((m, k) => m + rate * step[k]), cov });
      const { elbo: higher } = this.expectations(next, beta);
      if (higher > elbo + 1e-6) return { q: next, rate, elbo: higher };
    }
    return { q, rate: 0, elbo };
  }
  best(starts, full) {
    // The highest ELBO that a Gaussian on the grid reaches from any of these starts; null for none.
    const tops = starts.map((start) => {
      let q = this.within(start), rate = 1, elbo = -Infinity, before;
      do {
        before = elbo;
        ({ q, rate, elbo } = this.climb(q, { full, rate: Math.min(1, 2 * rate) }));
      } while (rate && elbo - before > 1e-5);
      return { q, elbo };
    });
    return tops.reduce((a, b) => (b.elbo > (a?.elbo ?? -Infinity) ? b : a), null);
  }
  modes() {
    // The posterior's peaks that hold any weight, each with a small Gaussian on it.
    const { joint, side } = this;
    const floor = joint.reduce((a, b) => Math.max(a, b)) - 5;
    const found = [];
    for (let g = side + 1; g < joint.length - side - 1; g++) {
      const beside = [-side - 1, -side, 1 - side, -1, 1, side - 1, side, side + 1];
      if (joint[g] < floor || beside.some((k) => joint[g + k] > joint[g])) continue;
      found.push({ mean: this.point(g), cov: [4, 0, 4].map((v) => v * this.spacing ** 2) });
    }
    return found;
  }
  posterior(log_px) {
    // Its mean and covariance, and whether the grid cuts it off: 0.001 nats or more lie beyond.
    const { joint, side } = this, last = joint.length - 1, mean = [0, 0], square = [0, 0, 0];
    for (let g = 0; g < joint.length; g++) {
      if (joint[g] < log_px - NEGLIGIBLE) continue;
      const weight = Math.exp(joint[g] - log_px + this.log_cell), [a, b] = this.point(g);
      [a, b].forEach((v, k) => (mean[k] += weight * v));
      [a * a, a * b, b * b].forEach((v, k) => (square[k] += weight * v));
    }
    const of_mean = [mean[0] ** 2, mean[0] * mean[1], mean[1] ** 2];
    const edge = [...Array(side).keys()].flatMap((k) => [k, last - k, k * side, last - k * side]);
    const cut = edge.some((g) => joint[g] > log_px - 4);
    return { mean, cov: square.map((v, k) => v - of_mean[k]), cut };
  }
  heat({ center, half_width, pixels }, beta) {
    // The target's density over a square view, 0 to 255 for its square root: between the points
    // the *logarithm* is interpolated by cubics, exact for a Gaussian: by rows, then by columns.
    const { side, spacing, half, joint } = this;
    const log_p = beta === 1 ? joint
      : joint.map((v, index) => (v === -Infinity ? v : this.log_target(index, beta)));
    const best = log_p.reduce((a, b) => Math.max(a, b));
    const above = log_p.map((v) => Math.max(v - best, -2 * NEGLIGIBLE));
    const image = new Uint8ClampedArray(pixels * pixels);
    const cubic = (t) => [
      -0.5 * t + t ** 2 - 0.5 * t ** 3,
      1 - 2.5 * t ** 2 + 1.5 * t ** 3,
      0.5 * t + 2 * t ** 2 - 1.5 * t ** 3,
      -0.5 * t ** 2 + 0.5 * t ** 3,
    ];
    const places = (c, flip) =>
      Array.from({ length: pixels }, (_, k) => {
        const at = c + flip * half_width * ((2 * k + 1) / pixels - 1);
        const position = at / spacing + half;
        return { index: Math.floor(position), weights: cubic(position - Math.floor(position)) };
      }).map((place, k) => ({ ...place, k })).filter(({ index: g }) => g >= 1 && g <= side - 3);
    const across = places(center[0], 1), down = places(center[1], -1);
    if (!across.length) return image;
    const [first, last] = [across[0].index - 1, across.at(-1).index + 2];
    const line = new Float64Array(side); // of the pixels' row, at the grid's first latents
    for (const { index: v, weights: [a, b, c, d], k: row } of down) {
      for (let u = first, g = u * side + v; u <= last; u++, g += side) {
        line[u] = a * above[g - 1] + b * above[g] + c * above[g + 1] + d * above[g + 2];
      }
      for (const { index: u, weights: [a, b, c, d], k: column } of across) {
        if (above[u * side + v] < -NEGLIGIBLE) continue;
        const value = a * line[u - 1] + b * line[u] + c * line[u + 1] + d * line[u + 2];
        image[row * pixels + column] = 255 * Math.exp(0.5 * value);
      }
    }
    return image;
  }
}

function expected_reconstruction(decoder, rules, x, q) {
  // E_q[log p(x|z)] over z = μ + σ ⊙ ε: what L draws estimate (eq. 7), by Gauss and Hermite's
  // quadrature for N(0, 1), a rule for each axis. Points that weigh nothing are left out.
  let sum = 0, total = 0;
  rules[0].nodes.forEach((a, i) =>
    rules[1].nodes.forEach((b, j) => {
      const weight = rules[0].weights[i] * rules[1].weights[j];
      if (weight < 1e-8) return;
      sum += weight * decoder.forward(q.sample(Float64Array.of(a, b))).log_prob(x);
      total += weight;
    })
  );
  return sum / total;
}

// ------------------------------------------------ From the page's data to the model

function bytes_of(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function float16(base64) {
  // Half precision: a sign, five bits of exponent, ten of fraction.
  const halves = new Uint16Array(bytes_of(base64).buffer);
  return Float32Array.from(halves, (bits) => {
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}

const float32 = (base64) => new Float32Array(bytes_of(base64).buffer);

function make_network(layers, floats) {
  const activations = { Tanh: Math.tanh, ReLU: (v) => Math.max(v, 0), Softplus: softplus };
  return new Sequential(
    layers.map((layer) => {
      if (layer.kind !== "Linear") return new Elementwise(activations[layer.kind]);
      const { n_in, n_out } = layer;
      return new Linear(n_in, n_out, floats(layer.weight), floats(layer.bias));
    })
  );
}

function make_model(data) {
  const { kind, layers, log_var, squash } = data.decoder;
  const n_pixels = data.image_shape[0] * data.image_shape[1];
  const floats = data.precision === "float16" ? float16 : float32;
  const network = make_network(layers, floats);
  return {
    encoder: new GaussianEncoder(make_network(data.encoder.layers, floats)),
    decoder:
      kind === "BernoulliDecoder"
        ? new BernoulliDecoder(network)
        : new GaussianDecoder(network, n_pixels, log_var, squash),
  };
}

function unpack(base64, size) {
  // Bytes in which a 0 is followed by how many of them there are.
  const packed = bytes_of(base64), pixels = new Uint8Array(size);
  for (let k = 0, at = 0; k < packed.length; k++) {
    if (packed[k]) pixels[at++] = packed[k];
    else at += packed[++k];
  }
  return pixels;
}

// ------------------------------------------------ What the page asks

const as_gaussian = ({ mean, std }) => ({ mean: [...mean], cov: [std[0] ** 2, 0, std[1] ** 2] });

function make_answers(data) {
  // From the page's data, a function that answers its questions about an image and a q.
  const { decoder } = make_model(data);
  const log_partition = data.grid.log_partition && float32(data.grid.log_partition);
  const grid = new Grid(decoder, { ...data.grid, log_partition });
  let about = {}, heats = {}; // what holds for the latest image whatever q is

  function learn_about(x, image, encoded) {
    grid.look_at(x);
    const log_px = grid.log_px(), posterior = grid.posterior(log_px);
    const { elbo, mass } = grid.expectations(encoded);
    const encoder = { q: encoded, elbo: on_grid(mass) ? elbo : null };
    about = { image, log_px, posterior, rows: { encoder } };
    heats = {};
  }

  function best_of_both({ posterior, rows }) {
    // The best Gaussians of either family, for who wants to beat them.
    const { q, elbo } = rows.encoder;
    const { mean, cov: [a, b, c] } = posterior, least = (0.8 * grid.spacing) ** 2;
    const wide = { mean, cov: [Math.max(a, least), b, Math.max(c, least)] }; // the grid resolves it
    const starts = [wide, ...grid.modes(), ...(elbo === null ? [] : [q])];
    rows.diagonal = grid.best(starts.map(({ mean, cov: [a, , c] }) => ({ mean, cov: [a, 0, c] })));
    rows.full = grid.best([...starts, ...(rows.diagonal ? [rows.diagonal.q] : [])], true);
  }

  return function answer(question) {
    const { version, x, image, yours, mean, log_var, encoded, noise, beta, rate, view } = question;
    if (image !== about.image) learn_about(x, image, encoded);
    if (question.best && !("full" in about.rows)) best_of_both(about);
    const { log_px, posterior, rows } = about;
    let q = new DiagonalGaussian(mean, log_var), climbed = null;
    if (rate) {
      climbed = grid.climb(as_gaussian(q), { beta, rate });
      const { mean, cov: [a, , c] } = climbed.q;
      q = new DiagonalGaussian(Float64Array.from(mean), Float64Array.of(a, c).map(Math.log));
    }
    // On the grid, as the gap; the account's ELBO is by quadrature where q is narrow enough.
    const summed = grid.expectations(as_gaussian(q)), exact = on_grid(summed.mass);
    for (const row of ["diagonal", "full"]) { // their search may end below it, at the grid's border
      if (exact && summed.elbo > rows[row]?.elbo) rows[row] = { q: as_gaussian(q), elbo: summed.elbo };
    }
    const rules = Array.from(q.std, (s) =>
      data.quadrature.find(({ up_to }) => s <= up_to * data.grid.spacing)
    );
    const by = rules.every(Boolean) ? "quadrature" : "grid"; // a wide q asks for more points
    const target = grid.joint.map((v, g) => (v === -Infinity ? v : grid.log_target(g, beta)));
    const ceiling = beta * (log_sum_exp(target) + grid.log_cell);
    const lens = question.lens ?? {
      center: [...q.mean], half_width: lens_width(q, posterior), pixels: 180,
    };
    const heat = (view, beta) => (heats[JSON.stringify([view, beta])] ??= grid.heat(view, beta));
    return {
      version, image, yours, log_px, posterior, rows, lens, beta, ceiling,
      mean: q.mean, log_var: q.log_var, rate: climbed?.rate, by,
      reconstruction:
        by === "quadrature" ? expected_reconstruction(decoder, rules, x, q)
        : exact ? summed.reconstruction : null,
      kl: q.kl_to_standard_normal(),
      gap: exact ? log_px - summed.elbo : null, // E_q[log q − log p(x, z)] + log p(x)
      log_probs: noise.map((e) => decoder.forward(q.sample(e)).log_prob(x)),
      heats: [view, lens].map((where) => heat(where, 1)),
      targets: beta === 1 ? null : [view, lens].map((where) => heat(where, beta)),
    };
  };
}

const on_grid = (mass) => Math.abs(mass - 1) < 1e-3;

function lens_width(q, { mean, cov }) {
  // Wide enough for q and for the posterior, in steps, so that it does not tremble.
  const needed = [0, 1].map((k) =>
    Math.max(3.2 * q.std[k], Math.abs(mean[k] - q.mean[k]) + 3.2 * Math.sqrt(cov[2 * k]))
  );
  return Math.min(4, 2 ** (Math.ceil(2 * Math.log2(Math.max(...needed))) / 2));
}

if (typeof document === "undefined") {
  // In the worker: first the page's data, then its questions.
  let answer = null;
  self.onmessage = ({ data }) => {
    if (answer) self.postMessage(answer(data));
    else answer = make_answers(data);
  };
}
