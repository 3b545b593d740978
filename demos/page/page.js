"use strict";
// The page: what the reader does, and the pictures. The mathematics is in model.js, above.
// In the browser's console, `explore` holds the model and the state.

// ------------------------------------------------ A drawing becomes a digit like MNIST's

function rasterize(strokes, [height, width]) {
  // Scaled into a box of 20/28 of the image, the ink's centre of mass in the middle, edges softened
  // over a pixel: as MNIST's were made. `strokes`: lists of [x, y] in units of the pad's width.
  const radius = (1.25 * Math.min(height, width)) / 28;
  const box = [width, height].map((side) => (20 / 28) * side - 2 * radius);
  const extent = [0, 1].map((k) => {
    const places = strokes.flat().map((p) => p[k]);
    return Math.max(Math.max(...places) - Math.min(...places), 0.15); // a dot is not blown up
  });
  const scale = Math.min(box[0] / extent[0], box[1] / extent[1]);
  const segments = strokes.flatMap((stroke) =>
    stroke.map((to, i) => {
      const from = stroke[Math.max(i - 1, 0)];
      const dx = scale * (to[0] - from[0]), dy = scale * (to[1] - from[1]);
      return { x: scale * from[0], y: scale * from[1], dx, dy, length: Math.hypot(dx, dy) };
    })
  );
  const mass = sum_of(segments.map((s) => s.length + 1e-9));
  const [left, top] = [width, height].map((side, k) => {
    const middle = (s) => (k ? s.y + s.dy / 2 : s.x + s.dx / 2);
    const center = sum_of(segments.map((s) => (s.length + 1e-9) * middle(s))) / mass;
    const ends = segments.map((s) => (k ? s.y + s.dy : s.x + s.dx)), margin = radius + 1;
    const inside = [Math.max(...ends) + margin - side, Math.min(...ends) - margin];
    return Math.min(inside[1], Math.max(inside[0], center - side / 2)); // no ink beyond the edge
  });

  const image = new Float64Array(height * width);
  for (let i = 0; i < image.length; i++) {
    const u = (i % width) + 0.5 + left, v = Math.floor(i / width) + 0.5 + top;
    let nearest = Infinity;
    for (const { x, y, dx, dy, length } of segments) {
      const along = length ? ((u - x) * dx + (v - y) * dy) / length ** 2 : 0;
      const t = Math.min(1, Math.max(0, along));
      nearest = Math.min(nearest, (u - x - t * dx) ** 2 + (v - y - t * dy) ** 2);
    }
    image[i] = Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(nearest)));
  }
  return image;
}

// ------------------------------------------------ The page

const element = (id) => document.getElementById(id);
const fixed = (value, digits = 2) => {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", "−");
};
const pair = (values, digits = 2) => [...values].map((v) => fixed(v, digits)).join(", ");

function show() {
  const data = JSON.parse(element("data").textContent);
  const [height, width] = data.image_shape;
  const model = make_model(data);
  const codes = float32(data.codes);
  const labels = data.labels && bytes_of(data.labels);
  const reach = codes.map(Math.abs).sort()[Math.floor(0.998 * codes.length)]; // but for a few
  const view = { center: [0, 0], half_width: Math.min(6, Math.max(3.3, reach + 0.1)), pixels: 260 };
  const L_CHOICES = [1, 10, 100];
  const NOISE_WIDTH = 3.4; // from the middle to the edge of step 2's picture
  const follows_pen = data.grid.log_partition !== null; // else the grid takes longer: see model.js

  // Everything that the pictures are made from. `found` is what the worker answered last.
  const state = {
    x: null, image: 0, chosen: 0, strokes: [],
    encoded: null, q: null, noise: normal(2), z: null, p: null,
    pixel_noise: model.decoder.pixel_noise(height * width),
    more_noise: [], L: 1, found: null, fitting: false, first: null, path: [],
  };

  // ---- Asking the worker: one question at a time; of those that come meanwhile, the latest.

  const program = new Blob([element("model").textContent], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(program));
  worker.postMessage(data);
  let busy = false, next = null, pause = null;

  function ask(rate = 0) {
    const { x, image, q, more_noise, first } = state;
    const lens = first?.lens; // it stands still while q walks
    next = { x, image, mean: q.mean, log_var: q.log_var, noise: more_noise, rate, view, lens };
    if (!busy) send();
  }

  function send() {
    busy = true;
    worker.postMessage(next);
    next = null;
  }

  worker.onmessage = ({ data: found }) => {
    busy = false;
    // With the pen down the answers may be of an image just past: they are shown all the same.
    if (found.image === state.image || follows_pen) learn(found);
    if (next) send();
  };

  worker.onerror = (problem) => {
    element("trouble").textContent = problem.message;
  };

  function learn(found) {
    window.explore.started ??= performance.now(); // ms from the page's start to its first account
    state.found = found;
    if (state.fitting && found.stepped && found.image === state.image) {
      set_q(new DiagonalGaussian(found.mean, found.log_var));
      state.path.push([...found.mean]);
      if (found.rate) requestAnimationFrame(() => state.fitting && ask(found.rate));
      else state.fitting = false;
    }
    draw_planes();
    draw_account();
    speak();
  }

  // ---- What the reader does

  function explain(x, chosen) {
    Object.assign(state, { x, chosen, image: state.image + 1 });
    Object.assign(state, { fitting: false, first: null, path: [] });
    state.encoded = model.encoder.forward(x);
    if (state.noise.some((e) => Math.abs(e) > 3)) state.noise = normal(2); // z was dragged far
    set_q(state.encoded);
    draw_image();
    clearTimeout(pause);
    if (follows_pen) return ask();
    state.found = null;
    draw_account();
    pause = setTimeout(ask, 200);
  }

  function set_q(q) {
    state.q = q;
    draw_q();
    set_noise(state.noise);
  }

  function set_noise(noise) {
    state.noise = noise;
    state.z = state.q.sample(noise);
    state.p = model.decoder.forward(state.z);
    draw_steps();
    draw_planes();
    draw_estimate();
  }

  function set_z(z) {
    const { mean, std } = state.q;
    set_noise(Float64Array.from(z, (v, k) => (v - mean[k]) / std[k]));
  }

  function fit() {
    state.fitting = !state.fitting;
    if (state.fitting) {
      state.first ??= state.found;
      ask(0.5);
    }
    draw_account();
  }

  function reset() {
    Object.assign(state, { fitting: false, first: null, path: [] });
    set_q(state.encoded);
    ask();
  }

  // ---- Pictures

  const colour = {}; // of the present theme: canvases know no CSS variables
  function read_colours() {
    const probe = document.body.appendChild(document.createElement("span"));
    for (const name of ["card", "ink", "soft", "q", "posterior", "z", "prior", "reconstruction"]) {
      probe.style.color = `var(--${name})`;
      colour[name] = getComputedStyle(probe).color;
    }
    probe.remove();
  }
  const text = () => TEXT[in_english() ? "en" : "zh"];

  function paint(canvas, x) {
    // An image of pixels, black to white.
    canvas.width = width;
    canvas.height = height;
    const picture = new ImageData(width, height);
    x.forEach((v, i) => picture.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i)); // it clamps
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  function fresh(canvas) {
    // A canvas's context in CSS pixels, sharp on any screen, and its size.
    const ratio = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = canvas;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, h);
    return { context, w, h };
  }

  function draw_image() {
    const { x, chosen, strokes } = state;
    const what = chosen === null ? text().drawing : name_of(chosen);
    paint(element("x"), x);
    element("x").setAttribute("aria-label", text().image(what));
    [...element("digits").children].forEach((button, k) =>
      button.setAttribute("aria-pressed", k === chosen)
    );
    if (chosen !== null) return paint(element("pad"), x);
    draw_pad(strokes);
  }

  function draw_pad(strokes) {
    const { context, w } = fresh(element("pad"));
    Object.assign(context, { lineWidth: 0.085 * w, lineCap: "round", lineJoin: "round" });
    context.strokeStyle = "#fff";
    for (const stroke of strokes) {
      context.beginPath();
      for (const [a, b] of [stroke[0], ...stroke]) context.lineTo(a * w + 0.01, b * w);
      context.stroke();
    }
  }

  function name_of(k) {
    return text().test_image(k + 1, data.image_labels && data.label_names[data.image_labels[k]]);
  }

  function nearest_labels() {
    // The labels of the ten codes nearest to μ, the most frequent first.
    const { mean } = state.q;
    const distance = (k) => Math.hypot(codes[2 * k] - mean[0], codes[2 * k + 1] - mean[1]);
    const far = Array.from(labels, (_, k) => distance(k));
    const order = [...labels.keys()].sort((a, b) => far[a] - far[b]).slice(0, 10);
    const count = new Map();
    for (const k of order) count.set(labels[k], (count.get(labels[k]) ?? 0) + 1);
    const frequent = [...count].sort((a, b) => b[1] - a[1]);
    return frequent.map(([label, n]) => `${data.label_names[label]} (${n})`);
  }

  function draw_q() {
    const { mean, std } = state.q;
    element("q-numbers").innerHTML = `μ = (${pair(mean)})<br>σ = (${pair(std)})`;
    if (labels) element("neighbours").textContent = text().neighbours(nearest_labels().join(", "));
  }

  function draw_steps() {
    const { x, q, noise, z, p, pixel_noise } = state;
    for (const k of [0, 1]) {
      element(`m${k}`).textContent = fixed(q.mean[k]);
      element(`s${k}`).textContent = fixed(q.std[k]);
      element(`e${k}`).textContent = fixed(noise[k]);
      element(`z${k}`).textContent = fixed(z[k]);
    }
    element("log-prob").textContent = `log p(x|z) = ${fixed(p.log_prob(x))}`;
    paint(element("mean"), p.mean);
    paint(element("shown"), p.mean);
    paint(element("draw"), p.sample(pixel_noise));
    const at = pair(z);
    for (const id of ["mean", "shown"]) element(id).setAttribute("aria-label", text().mean(at));
    element("draw").setAttribute("aria-label", text().draw(at));

    // ε under N(0, I): circles at one, two and three.
    const canvas = element("noise");
    canvas.setAttribute("aria-label", text().noise(pair(noise)));
    const { context, w, h } = fresh(canvas);
    const place = placer({ center: [0, 0], half_width: NOISE_WIDTH }, w, h);
    circles(context, place);
    dot(context, place(noise.map((e) => Math.max(-3.2, Math.min(3.2, e)))), "ink");
  }

  function placer({ center, half_width }, w, h) {
    return ([a, b]) => [
      ((a - center[0]) / half_width + 1) * 0.5 * w,
      ((center[1] - b) / half_width + 1) * 0.5 * h,
    ];
  }

  function ellipse(context, place, mean, radii) {
    const [cx, cy] = place(mean), [ex, ey] = place([mean[0] + radii[0], mean[1] + radii[1]]);
    context.beginPath();
    context.ellipse(cx, cy, Math.abs(ex - cx), Math.abs(cy - ey), 0, 0, 2 * Math.PI);
    context.stroke();
  }

  function circles(context, place) {
    context.strokeStyle = colour.prior;
    context.lineWidth = 0.7;
    for (const r of [1, 2, 3]) ellipse(context, place, [0, 0], [r, r]);
  }

  function dot(context, [a, b], name) {
    context.beginPath();
    context.arc(a, b, 5.5, 0, 2 * Math.PI);
    context.fillStyle = colour[name];
    context.strokeStyle = colour.card;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }

  // Ten hues of like weight for the labels.
  const LABEL_HUES = [0, 205, 130, 35, 285, 170, 330, 60, 240, 15];
  function scatter(context, place, w, h, size, alpha) {
    // Each test image's code, as its label, or as a dot if there are no labels.
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    context.font = `${size}px system-ui, sans-serif`;
    Object.assign(context, { textAlign: "center", textBaseline: "middle" });
    for (let k = 0; k < codes.length / 2; k++) {
      const [a, b] = place([codes[2 * k], codes[2 * k + 1]]);
      if (a < 0 || b < 0 || a > w || b > h) continue;
      const hue = labels ? LABEL_HUES[labels[k] % 10] : 220;
      context.fillStyle = `hsl(${hue} 45% ${theme === "dark" ? 62 : 42}% / ${alpha})`;
      if (labels) context.fillText(data.label_names[labels[k]].slice(0, 3), a, b);
      else context.fillRect(a - 1.5, b - 1.5, 3, 3);
    }
  }

  let views = {}; // what each of the two pictures shows: a square, by its center and half width
  let background = null; // the prior's circles and the codes, which stand still
  function still_picture(w, h) {
    const canvas = document.createElement("canvas");
    const ratio = window.devicePixelRatio || 1;
    canvas.width = w * ratio;
    canvas.height = h * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const place = placer(view, w, h);
    circles(context, place);
    scatter(context, place, w, h, w < 400 ? 8 : 10, 0.55);
    return canvas;
  }

  function heat_picture(heat) {
    const pixels = Math.sqrt(heat.length);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = pixels;
    const picture = new ImageData(pixels, pixels);
    const [r, g, b] = colour.posterior.match(/[\d.]+/g).map(Number);
    heat.forEach((alpha, k) => alpha && picture.data.set([r, g, b, 0.95 * alpha], 4 * k));
    canvas.getContext("2d").putImageData(picture, 0, 0);
    return canvas;
  }

  function draw_planes() {
    const { found, q, z, p } = state;
    const lens = state.first?.lens ?? found?.lens;
    const around_q = { center: q.mean, half_width: 4 * Math.max(...q.std) };
    views = { plane: view, lens: lens ?? around_q };
    for (const [k, id] of ["plane", "lens"].entries()) {
      const { context, w, h } = fresh(element(id));
      if (!w) return; // not laid out yet
      const place = placer(views[id], w, h);
      if (found) {
        found.pictures ??= found.heats.map((heat) => heat_picture(heat));
        context.drawImage(found.pictures[k], 0, 0, w, h);
      }
      if (id === "plane") {
        background ??= still_picture(w, h);
        context.drawImage(background, 0, 0, w, h);
        if (lens) outline(context, place, lens);
      } else {
        circles(context, place);
        scatter(context, place, w, h, 12, 0.45);
        scale_bar(context, views.lens.half_width, w, h);
      }
      context.strokeStyle = colour.q;
      if (state.path.length) {
        context.lineWidth = 1;
        context.setLineDash([4, 3]);
        ellipse(context, place, state.encoded.mean, state.encoded.std.map((s) => 2 * s));
        context.setLineDash([]);
        context.beginPath();
        for (const mean of [state.encoded.mean, ...state.path]) context.lineTo(...place(mean));
        context.stroke();
      }
      context.lineWidth = id === "plane" ? 1.5 : 2.2;
      for (const r of [1, 2]) ellipse(context, place, q.mean, q.std.map((s) => r * s));
      dot(context, place(z), "z");
      if (id === "plane") inset(context, w, element("mean"));
    }
    const q_says = text().q(pair(q.mean), pair(q.std));
    const { mean, std } = found?.posterior ?? {};
    const posterior_says = found ? text().posterior(pair(mean), pair(std)) : text().waiting;
    const says = text().plane(pair(z), q_says, posterior_says);
    for (const id of ["plane", "lens"]) element(id).setAttribute("aria-label", says);
    const numbers = (m, s) => `(${pair(m)}) ± (${pair(s)})`;
    element("lens-numbers").textContent = numbers(q.mean, q.std);
    element("posterior-numbers").textContent = mean ? numbers(mean, std) : "…";
  }

  function outline(context, place, { center, half_width }) {
    const [a, b] = place([center[0] - half_width, center[1] + half_width]);
    const [c, d] = place([center[0] + half_width, center[1] - half_width]);
    context.strokeStyle = colour.soft;
    context.lineWidth = 1;
    context.strokeRect(a, b, c - a, d - b);
  }

  function scale_bar(context, half_width, w, h) {
    const length = [1, 0.5, 0.2, 0.1, 0.05, 0.02].find((l) => l < 0.6 * half_width) ?? 0.01;
    context.fillStyle = colour.ink;
    context.fillRect(12, h - 14, (length / half_width) * 0.5 * w, 2);
    context.font = "12px system-ui, sans-serif";
    Object.assign(context, { textAlign: "left", textBaseline: "bottom" });
    context.fillText(length, 12, h - 17);
  }

  function inset(context, w, picture) {
    // The decoded image in the plane's corner: in sight while z is dragged, on a telephone too.
    const pixel = Math.min(84, 0.19 * w) / Math.max(width, height);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, w - pixel * width - 8, 8, pixel * width, pixel * height);
    context.imageSmoothingEnabled = true;
  }

  function draw_account() {
    const { found, first, fitting } = state;
    element("account").classList.toggle("waiting", !found);
    element("fit").disabled = !found;
    element("fit").dataset.state = fitting ? "fitting" : "idle";
    element("reset").disabled = !first;
    if (!found) element("account-says").textContent = text().waiting;
    if (!found) return;

    const { reconstruction, kl, gap, log_px, mass } = found;
    const elbo = reconstruction - kl, sum = elbo + gap;
    const values = { reconstruction, kl: -kl, elbo, gap, sum, "log-px": log_px };
    for (const name in values) element(`n-${name}`).textContent = fixed(values[name]);
    element("account-says").textContent =
      Math.abs(mass - 1) > 0.01 ? text().outside : text().agree(fixed(Math.abs(sum - log_px), 3));

    // Two rows that start at the ELBO: the KL leads up to the reconstruction, the gap to log p(x).
    const low = Math.min(elbo, log_px - gap), high = low + 1.45 * Math.max(kl, gap);
    const place = (v) => `${(100 * (v - low)) / (high - low)}%`;
    const segment = (id, from, to, label) => {
      element(id).style.left = place(from);
      element(id).style.width = to === null ? "" : place(low + to - from);
      if (label) element(id).textContent = (to - from) / (high - low) > 0.18 ? label : "";
    };
    segment("bar-kl", elbo, reconstruction, `KL ${fixed(kl)}`);
    segment("bar-reconstruction", reconstruction, null);
    segment("bar-gap", log_px - gap, log_px, `${text().gap} ${fixed(gap)}`);
    segment("bar-log-px", log_px, null);
    element("tick-elbo").textContent = `▾ ${text().elbo(fixed(elbo))}`;

    const from = first && first.reconstruction - first.kl;
    element("fit-says").textContent = fitting
      ? text().fitting(fixed(elbo))
      : first && state.path.length
        ? text().fitted(fixed(from), fixed(elbo), fixed(elbo - from), fixed(gap))
        : text().start(fixed(gap));
    draw_estimate();
  }

  function draw_estimate() {
    // log p(x|z) of each draw on a line, their mean, and what they estimate.
    const { found, L, x, p } = state;
    if (!found) return;
    const log_probs = [p.log_prob(x), ...found.log_probs].slice(0, L);
    const mean = sum_of(log_probs) / L, exact = found.reconstruction;
    const variance = sum_of(log_probs.map((v) => (v - mean) ** 2)) / (L - 1);
    const error = fixed(Math.sqrt(variance / L));
    element("estimate-says").textContent = text().estimate(L, fixed(mean), error, fixed(exact));

    const canvas = element("estimate");
    canvas.setAttribute("aria-label", text().estimate_picture(L));
    const { context, w, h } = fresh(canvas);
    const spread = Math.max(4, ...log_probs.map((v) => 1.15 * Math.abs(v - exact)));
    const place = (v) => (0.5 + (0.5 * (v - exact)) / spread) * w;
    context.fillStyle = colour.soft;
    context.fillRect(0, h / 2, w, 1);
    context.fillStyle = colour.z;
    context.globalAlpha = L === 1 ? 1 : L === 10 ? 0.6 : 0.3;
    for (const v of log_probs) {
      context.beginPath();
      context.arc(place(v), h / 2, 4.5, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    context.font = "12px system-ui, sans-serif";
    for (const [v, name, y] of [[exact, "reconstruction", 12], [mean, "z", h - 3]]) {
      context.fillStyle = colour[name];
      context.fillRect(place(v) - 1, 14, 2, h - 28);
      const at = Math.max(26, Math.min(w - 26, place(v)));
      Object.assign(context, { textAlign: "center", textBaseline: "alphabetic" });
      context.fillText(fixed(v), at, y);
    }
  }

  let speaking = null;
  function speak() {
    // For a screen reader, once the numbers have come to rest.
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      if (!state.found) return;
      const { log_px, reconstruction, kl, gap } = state.found;
      const numbers = [log_px, reconstruction - kl, gap].map((v) => fixed(v));
      element("spoken").textContent = text().account(...numbers);
    }, 800);
  }

  function draw_all() {
    read_colours();
    background = null;
    if (state.found) delete state.found.pictures;
    element("pad").setAttribute("aria-label", text().pad);
    element("draws").setAttribute("aria-label", text().draws);
    [...element("digits").children].forEach((b, k) => b.setAttribute("aria-label", name_of(k)));
    element("about").textContent = text().about(data.about);
    const guide = data.guide[in_english() ? "en" : "zh"];
    for (const link of document.querySelectorAll("[data-guide]")) {
      link.href = `${guide}#${link.dataset.guide}`;
    }
    draw_image();
    draw_q();
    draw_steps();
    draw_planes();
    draw_account();
  }

  // ---- Hands

  function drag(canvas, move, start = () => {}) {
    // One finger, pen or mouse: `move` gets the place in units of the canvas's width.
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.width];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      start(place(event));
      move(place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) move(place(event));
    });
  }

  function keys(canvas, move, home) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Home") home();
      else if (event.key in arrows) move(arrows[event.key], event.shiftKey ? 0.01 : 0.1);
      else return;
      event.preventDefault();
    });
  }

  let drawn = null; // the frame that will show the strokes so far
  drag(
    element("pad"),
    (place) => {
      const stroke = state.strokes.at(-1), last = stroke.at(-1);
      if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) < 0.012) return;
      stroke.push(place);
      drawn ??= requestAnimationFrame(() => {
        drawn = null;
        explain(rasterize(state.strokes, data.image_shape), null);
      });
    },
    () => {
      if (state.chosen !== null) state.strokes = [];
      state.strokes.push([]);
    }
  );
  element("clear").onclick = () => {
    state.strokes = [];
    state.chosen = null;
    draw_image();
  };

  for (const id of ["plane", "lens"]) {
    drag(element(id), ([a, b]) => {
      const { center, half_width } = views[id];
      set_z([center[0] + (2 * a - 1) * half_width, center[1] + (1 - 2 * b) * half_width]);
    });
    keys(
      element(id),
      (arrow, step) => set_z(state.z.map((v, k) => v + step * arrow[k])),
      () => set_noise(Float64Array.of(0, 0))
    );
  }
  drag(element("noise"), ([a, b]) =>
    set_noise(Float64Array.of((2 * a - 1) * NOISE_WIDTH, (1 - 2 * b) * NOISE_WIDTH))
  );
  keys(
    element("noise"),
    (arrow, step) => set_noise(state.noise.map((v, k) => v + step * arrow[k])),
    () => set_noise(Float64Array.of(0, 0))
  );

  element("new-noise").onclick = () => set_noise(normal(2));
  element("new-draw").onclick = () => {
    state.pixel_noise = model.decoder.pixel_noise(height * width);
    draw_steps();
  };
  element("fit").onclick = fit;
  element("reset").onclick = reset;

  function choose_L(L) {
    state.L = L;
    state.more_noise = Array.from({ length: L - 1 }, () => normal(2));
    [...element("draws").children].forEach((button, k) =>
      button.setAttribute("aria-pressed", L_CHOICES[k] === L)
    );
    if (state.q && !state.fitting) ask();
  }
  for (const L of L_CHOICES) {
    const button = element("draws").appendChild(document.createElement("button"));
    button.textContent = `L = ${L}`;
    button.onclick = () => (L === 1 && state.L === 1 ? set_noise(normal(2)) : choose_L(L));
  }

  const pixels = bytes_of(data.images);
  const images = Array.from({ length: pixels.length / (height * width) }, (_, k) =>
    Float64Array.from(pixels.subarray(k * height * width, (k + 1) * height * width), (v) => v / 255)
  );
  images.forEach((x, k) => {
    const button = element("digits").appendChild(document.createElement("button"));
    const canvas = button.appendChild(document.createElement("canvas"));
    canvas.className = "pixels";
    paint(canvas, x);
    button.onclick = () => explain(x, k);
  });

  const in_english = () => document.documentElement.lang === "en";
  element("language").onclick = () => set_language(in_english() ? "zh-CN" : "en");
  function set_language(language) {
    document.documentElement.lang = language;
    document.title = document.querySelector(`h1 [lang="${language.slice(0, 2)}"]`).textContent;
    if (state.q) draw_all();
  }
  element("theme").onclick = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    draw_all();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw_all);
  addEventListener("resize", draw_all);

  const kind = data.decoder.kind === "BernoulliDecoder" ? "bernoulli" : "gaussian";
  for (const part of document.querySelectorAll("[data-kind]")) {
    part.hidden = ![kind, labels ? "labels" : "no-labels"].includes(part.dataset.kind);
  }
  element("pad").style.aspectRatio = `${width} / ${height}`;
  element("pad").style.maxWidth = `${Math.min(230, (230 * width) / height)}px`;
  const in_search = new URLSearchParams(location.search).get("lang");
  const asked = in_search ?? location.hash.match(/lang=(\w+)/)?.[1];
  set_language(/^zh/i.test(asked ?? navigator.language) ? "zh-CN" : "en");
  read_colours();
  choose_L(1);
  explain(images[data.start], data.start);
  draw_all();
  window.explore = { model, state, data, view, explain, set_noise, set_z }; // for the console
}

show();
