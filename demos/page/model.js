"use strict";
// The model in the browser, with the names of the Python package: layers, distributions, the ELBO
// and its gradient, the exact posterior on a grid. page.js, which follows it on the page, shows it;
// this file alone runs a second time in a Web Worker, which has the heavy work (see the end).
//
// A vector is a typed array; one image at a time, so there are no batch axes. Unit: nats.

// ------------------------------------------------ Layers

class Linear {
  // y = x W + b, with W of shape (n_in, n_out), row by row in one array.
  constructor(n_in, n_out, weight, bias) {
    Object.assign(this, { n_in, n_out, weight, bias });
  }

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

  backward_to_input(dy) {
    // dx = W dy; the weights are held, so that nothing else is needed.
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

class Tanh {
  forward(x) {
    return (this.y = x.map(Math.tanh));
  }

  backward_to_input(dy) {
    return dy.map((d, i) => d * (1 - this.y[i] ** 2));
  }
}

class ReLU {
  forward(x) {
    this.x = x;
    return x.map((v) => Math.max(v, 0));
  }

  backward_to_input(dy) {
    return dy.map((d, i) => (this.x[i] > 0 ? d : 0));
  }
}

class Softplus {
  forward(x) {
    this.x = x;
    return x.map(softplus);
  }

  backward_to_input(dy) {
    return dy.map((d, i) => d * sigmoid(this.x[i]));
  }
}

class Sigmoid {
  forward(x) {
    return (this.y = x.map(sigmoid));
  }

  backward_to_input(dy) {
    return dy.map((d, i) => d * this.y[i] * (1 - this.y[i]));
  }
}

class Sequential {
  constructor(layers) {
    this.layers = layers;
  }

  forward(x) {
    return this.layers.reduce((value, layer) => layer.forward(value), x);
  }

  backward_to_input(dy) {
    return this.layers.reduceRight((d, layer) => layer.backward_to_input(d), dy);
  }
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

function normal(size) {
  // Box and Muller: draws from N(0, 1).
  const one = () =>
    Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Float64Array.from({ length: size }, one);
}

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

  sample_backward(noise, dz) {
    return [dz, dz.map((d, i) => 0.5 * d * this.std[i] * noise[i])];
  }

  log_prob(x) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      sum += ((x[i] - this.mean[i]) / this.std[i]) ** 2 + this.log_var[i] + LOG_2PI;
    }
    return -0.5 * sum;
  }

  log_prob_backward(x) {
    const standardized = x.map((v, i) => (v - this.mean[i]) / this.std[i]);
    return [
      standardized.map((s, i) => s / this.std[i]),
      standardized.map((s) => 0.5 * (s * s - 1)),
    ];
  }

  kl_to_standard_normal() {
    // Appendix B: ½ Σ (μ² + σ² − 1 − log σ²).
    const term = (m, i) => m * m + this.std[i] ** 2 - 1 - this.log_var[i];
    return 0.5 * sum_of(this.mean.map(term));
  }

  kl_backward() {
    return [this.mean, this.std.map((s) => 0.5 * (s * s - 1))];
  }
}

class Bernoulli {
  // Independent pixels, each white with probability sigmoid(logit).
  constructor(logits) {
    this.logits = logits;
  }

  get mean() {
    return (this.the_mean ??= this.logits.map(sigmoid)); // log_prob does without it
  }

  sample(noise) {
    return this.mean.map((m, i) => (noise[i] < m ? 1 : 0));
  }

  log_prob(x) {
    // Minus the binary cross-entropy.
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] * this.logits[i] - softplus(this.logits[i]);
    return sum;
  }

  log_prob_backward(x) {
    return [this.mean.map((m, i) => x[i] - m)];
  }
}

const standard_normal_log_prob = (z) => -0.5 * sum_of(z.map((v) => v * v + LOG_2PI));

// ------------------------------------------------ Networks: parameters of distributions

class GaussianEncoder {
  // q_φ(z|x) = N(z; μ, diag σ²) (eq. 9).
  constructor(network) {
    this.network = network;
  }

  forward(x) {
    const heads = this.network.forward(x);
    return new DiagonalGaussian(heads.slice(0, 2), heads.slice(2));
  }
}

class BernoulliDecoder {
  // p_θ(x|z) for black and white, or grey, pixels (appendix C.1).
  constructor(network) {
    this.network = network;
  }

  forward(z) {
    return new Bernoulli(this.network.forward(z));
  }

  backward_to_input(dlogits) {
    return this.network.backward_to_input(dlogits);
  }

  pixel_noise(size) {
    return Float64Array.from({ length: size }, Math.random);
  }
}

class GaussianDecoder {
  // p_θ(x|z) = N(x; mean(z), σ²); σ from the network too, or one number (appendix C.2).
  constructor(network, n_pixels, log_var, squash) {
    Object.assign(this, { network, n_pixels, log_var });
    this.squashing = squash ? new Sigmoid() : null;
  }

  forward(z) {
    const outputs = this.network.forward(z);
    const mean = outputs.slice(0, this.n_pixels);
    const per_output = this.log_var === null;
    const log_var = per_output ? outputs.slice(this.n_pixels) : mean.map(() => this.log_var);
    return new DiagonalGaussian(this.squashing ? this.squashing.forward(mean) : mean, log_var);
  }

  backward_to_input(dmean, dlog_var) {
    const dleft = this.squashing ? this.squashing.backward_to_input(dmean) : dmean;
    if (this.log_var !== null) return this.network.backward_to_input(dleft);
    const doutputs = new Float64Array(2 * this.n_pixels);
    doutputs.set(dleft);
    doutputs.set(dlog_var, this.n_pixels);
    return this.network.backward_to_input(doutputs);
  }

  pixel_noise(size) {
    return normal(size);
  }
}

// ------------------------------------------------ The ELBO of one image

function quadrature_points({ nodes, weights }) {
  // Gauss and Hermite's nodes for N(0, 1), on both axes: Σ weight · f(noise) is E[f(ε)].
  return nodes.flatMap((a, i) =>
    nodes.map((b, j) => ({ noise: Float64Array.of(a, b), weight: weights[i] * weights[j] }))
  );
}

function expected_reconstruction(decoder, points, x, q) {
  // E_q[log p(x|z)] over z = μ + σ ⊙ ε: what L draws estimate (eq. 7), to many digits.
  const term = ({ noise, weight }) => weight * decoder.forward(q.sample(noise)).log_prob(x);
  return sum_of(points.map(term));
}

function elbo_and_gradient(decoder, points, x, q) {
  // The ELBO (eq. 3) and its gradient with respect to this image's own μ and log σ².
  let reconstruction = 0;
  const [dmean, dlog_var] = q.kl_backward().map((kl) => kl.map((d) => -d));
  for (const { noise, weight } of points) {
    const z = q.sample(noise);
    const p = decoder.forward(z);
    reconstruction += weight * p.log_prob(x);
    const dz = decoder.backward_to_input(...p.log_prob_backward(x));
    const [dm, dv] = q.sample_backward(noise, dz);
    for (let i = 0; i < 2; i++) {
      dmean[i] += weight * dm[i];
      dlog_var[i] += weight * dv[i];
    }
  }
  return { reconstruction, elbo: reconstruction - q.kl_to_standard_normal(), dmean, dlog_var };
}

function fit_step(decoder, points, x, q, rate) {
  // One step uphill on the ELBO, measured in q's own widths: a narrow q takes short steps.
  // A step that does not raise the ELBO is halved; a rate of 0 says that none was left.
  const { elbo, dmean, dlog_var } = elbo_and_gradient(decoder, points, x, q);
  for (; rate > 1e-3; rate /= 2) {
    const higher = new DiagonalGaussian(
      q.mean.map((m, i) => m + rate * q.std[i] ** 2 * dmean[i]),
      q.log_var.map((v, i) => v + Math.max(-1, Math.min(1, 2 * rate * dlog_var[i])))
    );
    const reconstruction = expected_reconstruction(decoder, points, x, higher);
    const gain = reconstruction - higher.kl_to_standard_normal() - elbo;
    if (gain > 1e-5) return { q: higher, rate: Math.min(0.3, 1.5 * rate) };
  }
  return { q, rate: 0 };
}

// ------------------------------------------------ The exact posterior on a grid

const NEGLIGIBLE = 40; // nats below the best: e^−40 of it

class Grid {
  // Points `spacing` apart to ±spacing·half on both axes: log p(x, z) at each of them, so that
  // log p(x) = log Σ p(x, z) · spacing², and p(z|x) = p(x, z) / p(x) by Bayes' rule.
  constructor(decoder, { spacing, half, log_partition }) {
    Object.assign(this, { decoder, spacing, half, side: 2 * half + 1, log_partition });
    this.log_cell = 2 * Math.log(spacing);
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

  log_joint(x, image, q) {
    // log p(x, z) at every point. `image` numbers the images: the latest one's is kept.
    if (image !== this.image) {
      this.image = image;
      this.joint = new Float64Array(this.side ** 2).fill(-Infinity);
      if (this.h) this.fill_all(x);
      else this.fill_where_it_matters(x);
    }
    if (!this.h) this.fill_under(x, q);
    return this.joint;
  }

  fill_all(x) {
    const { h, joint, output, log_partition } = this;
    const width = output.n_in;
    const Wx = output.backward_to_input(x);
    let bx = 0;
    for (let j = 0; j < x.length; j++) bx += output.bias[j] * x[j];
    for (let g = 0, k = 0; g < joint.length; g++, k += width) {
      let sum = bx - log_partition[g];
      for (let i = 0; i < width; i++) sum += h[k + i] * Wx[i];
      const [a, b] = this.point(g);
      joint[g] = sum - 0.5 * (a * a + b * b) - LOG_2PI;
    }
  }

  fill(x, index) {
    if (this.joint[index] > -Infinity) return;
    const z = Float64Array.from(this.point(index));
    this.joint[index] = this.decoder.forward(z).log_prob(x) + standard_normal_log_prob(z);
  }

  fill_where_it_matters(x) {
    // Any decoder: the whole network at every point would take seconds. Coarse points first, then
    // ever finer ones beside those that may matter; the slack covers what lies between them.
    const { side, joint } = this;
    let stride = 1;
    while (2 * stride * this.spacing <= 0.4 && this.half % (2 * stride) === 0) stride *= 2;
    for (let i = 0; i < side; i += stride) {
      for (let j = 0; j < side; j += stride) this.fill(x, i * side + j);
    }
    for (; stride > 1; stride /= 2) {
      const best = joint.reduce((a, b) => Math.max(a, b));
      const floor = best - NEGLIGIBLE * (1 + stride * this.spacing * 10);
      for (let i = 0; i < side; i += stride) {
        for (let j = 0; j < side; j += stride) {
          if (joint[i * side + j] < floor) continue;
          this.fill_square(x, i, j, stride, stride / 2);
        }
      }
    }
  }

  fill_under(x, q) {
    // The gap is a mean under q: it needs the points on which q stands.
    const [i, j] = [0, 1].map((k) => Math.round(q.mean[k] / this.spacing) + this.half);
    const reach = Math.ceil((5 * Math.max(...q.std)) / this.spacing);
    this.fill_square(x, i, j, reach, 1);
  }

  fill_square(x, i, j, reach, step) {
    const { side } = this;
    for (let a = i - reach; a <= i + reach; a += step) {
      for (let b = j - reach; b <= j + reach; b += step) {
        if (a >= 0 && b >= 0 && a < side && b < side) this.fill(x, a * side + b);
      }
    }
  }

  posterior(joint, log_px) {
    // Its mean and standard deviations.
    const mean = [0, 0], square = [0, 0];
    for (let g = 0; g < joint.length; g++) {
      if (joint[g] < log_px - NEGLIGIBLE) continue;
      const weight = Math.exp(joint[g] - log_px + this.log_cell);
      this.point(g).forEach((v, k) => {
        mean[k] += weight * v;
        square[k] += weight * v * v;
      });
    }
    return { mean, std: square.map((s, k) => Math.sqrt(Math.max(s - mean[k] ** 2, 0))) };
  }

  gap(joint, log_px, q) {
    // KL(q(z|x) ‖ p(z|x)) = Σ q (log q − log p(z|x)) · spacing², and the sum of q itself, which
    // is 1 unless q is narrower than the grid or stands outside of it.
    let gap = 0, mass = 0;
    for (let g = 0; g < joint.length; g++) {
      const [a, b] = this.point(g);
      const ea = (a - q.mean[0]) / q.std[0], eb = (b - q.mean[1]) / q.std[1];
      const square = ea * ea + eb * eb;
      if (square > 2 * NEGLIGIBLE || joint[g] === -Infinity) continue;
      const log_q = -0.5 * (square + q.log_var[0] + q.log_var[1]) - LOG_2PI;
      const weight = Math.exp(log_q + this.log_cell);
      gap += weight * (log_q - (joint[g] - log_px));
      mass += weight;
    }
    return { gap, mass };
  }

  heat(joint, { center, half_width, pixels }) {
    // The posterior's density over a square view, 0 to 255 for its square root: between the points
    // the *logarithm* is interpolated by cubics, which are exact for a Gaussian of any width.
    const { side, spacing, half } = this;
    const best = joint.reduce((a, b) => Math.max(a, b));
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
      });
    const across = places(center[0], 1), down = places(center[1], -1);
    down.forEach((v, row) => {
      across.forEach((u, column) => {
        if (u.index < 1 || v.index < 1 || u.index > side - 3 || v.index > side - 3) return;
        if (joint[u.index * side + v.index] < best - NEGLIGIBLE) return;
        let value = 0;
        for (let a = 0; a < 4; a++) {
          for (let b = 0; b < 4; b++) {
            const log_p = joint[(u.index + a - 1) * side + v.index + b - 1];
            value += u.weights[a] * v.weights[b] * Math.max(log_p - best, -2 * NEGLIGIBLE);
          }
        }
        image[row * pixels + column] = 255 * Math.exp(0.5 * value);
      });
    });
    return image;
  }
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
  const activations = { Tanh, ReLU, Softplus };
  return new Sequential(
    layers.map((layer) => {
      if (layer.kind !== "Linear") return new activations[layer.kind]();
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

// ------------------------------------------------ The worker

function work() {
  // First the page's data, then questions: an image, a q, and perhaps a step uphill for q.
  let model, grid, points;

  function answer({ x, image, mean, log_var, noise, rate, view, lens }) {
    const { decoder } = model;
    const stepped = rate > 0;
    let q = new DiagonalGaussian(mean, log_var);
    if (stepped) ({ q, rate } = fit_step(decoder, points, x, q, rate));
    // Each part by its own means: none is the others' difference.
    const reconstruction = expected_reconstruction(decoder, points, x, q);
    const kl = q.kl_to_standard_normal();
    const joint = grid.log_joint(x, image, q);
    const log_px = log_sum_exp(joint) + grid.log_cell;
    const { gap, mass } = grid.gap(joint, log_px, q);
    const posterior = grid.posterior(joint, log_px);
    lens ??= { center: q.mean, half_width: lens_width(q, posterior), pixels: 180 };
    return {
      image, reconstruction, kl, gap, mass, log_px, posterior, stepped, rate, lens,
      mean: q.mean,
      log_var: q.log_var,
      log_probs: noise.map((e) => decoder.forward(q.sample(e)).log_prob(x)),
      heats: [grid.heat(joint, view), grid.heat(joint, lens)],
    };
  }

  self.onmessage = ({ data }) => {
    if (!model) {
      model = make_model(data);
      points = quadrature_points(data.quadrature);
      const log_partition = data.grid.log_partition && float32(data.grid.log_partition);
      grid = new Grid(model.decoder, { ...data.grid, log_partition });
    } else {
      self.postMessage(answer(data));
    }
  };
}

function lens_width(q, posterior) {
  // Wide enough for q and for the posterior, in steps, so that it does not tremble.
  const needed = [0, 1].map((k) =>
    Math.max(3.2 * q.std[k], Math.abs(posterior.mean[k] - q.mean[k]) + 3.2 * posterior.std[k])
  );
  return Math.min(4, 2 ** (Math.ceil(2 * Math.log2(Math.max(...needed))) / 2));
}

if (typeof document === "undefined") work();
