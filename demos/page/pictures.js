// The pictures. Each function is given what it draws; none of them knows the page's state.

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

// ------------------------------------------------ Canvases

const element = (id) => document.getElementById(id);
const fixed = (value, digits = 2) => {
  if (value === null || value === undefined) return "—";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", "−");
};
const pair = (values, digits = 2) => [...values].map((v) => fixed(v, digits)).join(", ");

const colour = {}; // of the present theme: canvases know no CSS variables
function read_colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["card", "ink", "soft", "q", "posterior", "z", "prior", "reconstruction", "kl"];
  for (const name of names) colour[name] = style.getPropertyValue(`--${name}`).trim();
}

function paint(canvas, x, [height, width]) {
  // An image of pixels, black to white.
  Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  x.forEach((v, i) => picture.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i)); // it clamps
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function fresh(canvas) {
  // A canvas's context in CSS pixels, sharp on any screen, and its size.
  const ratio = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = canvas;
  const [width, height] = [w, h].map((side) => Math.round(side * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  return { context, w, h };
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
  // The prior, at one, two and three.
  Object.assign(context, { strokeStyle: colour.prior, lineWidth: 0.7 });
  for (const r of [1, 2, 3]) ellipse(context, place, [0, 0], [r, r]);
}

function dot(context, [a, b], name, radius = 5.5) {
  context.beginPath();
  context.arc(a, b, radius, 0, 2 * Math.PI);
  Object.assign(context, { fillStyle: colour[name], strokeStyle: colour.card, lineWidth: 2 });
  context.fill();
  context.stroke();
}

function z_dot(context, [a, b], w, h) {
  // Outside of the picture z is an arrow at its edge.
  const [x, y] = [Math.max(9, Math.min(w - 9, a)), Math.max(9, Math.min(h - 9, b))];
  if (Math.hypot(x - a, y - b) < 9) return dot(context, [a, b], "z", 6.5);
  context.save();
  context.translate(x, y);
  context.rotate(Math.atan2(b - y, a - x));
  context.beginPath();
  for (const point of [[9, 0], [-6, 6], [-6, -6]]) context.lineTo(...point);
  context.fillStyle = colour.z;
  context.fill();
  context.restore();
}

function draw_pad(canvas, strokes) {
  const { context, w } = fresh(canvas);
  Object.assign(context, { lineWidth: 0.085 * w, lineCap: "round", lineJoin: "round" });
  context.strokeStyle = "#fff";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(stroke[0][0] * w, stroke[0][1] * w);
    for (const [a, b] of stroke) context.lineTo(a * w + 0.01, b * w); // a tap is a dot
    context.stroke();
  }
}

function draw_noise(canvas, noise, half_width) {
  const { context, w, h } = fresh(canvas);
  const place = placer({ center: [0, 0], half_width }, w, h);
  circles(context, place);
  z_dot(context, place(noise), w, h);
}

// ------------------------------------------------ The latent plane

const LABEL_HUES = [0, 205, 130, 35, 285, 170, 330, 60, 240, 15]; // ten, of like weight

function draw_codes(context, place, w, h, { codes, labels, names, offered }, apart) {
  // Each test image's code: a dot, of its label's hue; the offered ones are squares; and where
  // there is room, the label itself.
  const dark = document.documentElement.dataset.theme === "dark";
  const said = [];
  context.font = "12px system-ui, sans-serif";
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  for (let k = 0; k < codes.length / 2; k++) {
    const [a, b] = place([codes[2 * k], codes[2 * k + 1]]);
    if (a < 0 || b < 0 || a > w || b > h) continue;
    const hue = labels ? LABEL_HUES[labels[k] % 10] : 220;
    const shade = (alpha) => `hsl(${hue} ${dark ? 55 : 50}% ${dark ? 70 : 31}% / ${alpha})`;
    context.fillStyle = shade(k < offered ? 0.9 : 0.32);
    if (k < offered) context.fillRect(a - 3, b - 3, 6, 6);
    else if (labels && said.every(([c, d]) => Math.hypot(a - c, b - d) > apart)) {
      said.push([a, b]);
      context.fillStyle = shade(1);
      context.fillText(names[labels[k]].slice(0, 3), a, b);
    } else context.fillRect(a - 1.25, b - 1.25, 2.5, 2.5);
  }
}

function still_picture(w, h, view, codes) {
  // The prior's circles and the codes, which stand still.
  const canvas = document.createElement("canvas");
  const ratio = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: w * ratio, height: h * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const place = placer(view, w, h);
  circles(context, place);
  draw_codes(context, place, w, h, codes, 30);
  return canvas;
}

function heat_picture(heat, name) {
  const pixels = Math.sqrt(heat.length);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = pixels;
  const picture = new ImageData(pixels, pixels);
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour[name].slice(k, k + 2), 16));
  heat.forEach((alpha, k) => alpha && picture.data.set([r, g, b, 0.95 * alpha], 4 * k));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function draw_q(context, place, q, width) {
  Object.assign(context, { strokeStyle: colour.q, lineWidth: width });
  for (const r of [1, 2]) ellipse(context, place, q.mean, q.std.map((s) => r * s));
}

function draw_path(context, place, start, path) {
  // Where q came from, and the way of its mean.
  Object.assign(context, { strokeStyle: colour.q, lineWidth: 1 });
  context.setLineDash([4, 3]);
  ellipse(context, place, start.mean, start.std.map((s) => 2 * s));
  context.setLineDash([]);
  context.beginPath();
  for (const { mean } of path) context.lineTo(...place(mean));
  context.stroke();
}

function handles_of(q) {
  // What one takes q by: its centre, and its two widths at 2 σ.
  return {
    center: q.mean,
    width: [q.mean[0] + 2 * q.std[0], q.mean[1]],
    height: [q.mean[0], q.mean[1] + 2 * q.std[1]],
  };
}

function draw_handles(context, place, q) {
  for (const at of Object.values(handles_of(q))) {
    const [a, b] = place(at);
    Object.assign(context, { fillStyle: colour.q, strokeStyle: colour.card, lineWidth: 2 });
    context.fillRect(a - 5, b - 5, 10, 10);
    context.strokeRect(a - 5, b - 5, 10, 10);
  }
}

function outline(context, place, { center: [x, y], half_width: r }) {
  const [a, b] = place([x - r, y + r]), [c, d] = place([x + r, y - r]);
  Object.assign(context, { strokeStyle: colour.soft, lineWidth: 1 });
  context.strokeRect(a, b, c - a, d - b);
}

function inset(context, picture, x, y, size, frame) {
  // A small image in the plane: what z decodes to, or what stands behind a code.
  const pixel = size / Math.max(picture.width, picture.height);
  const [w, h] = [pixel * picture.width, pixel * picture.height];
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, x, y, w, h);
  Object.assign(context, { imageSmoothingEnabled: true, strokeStyle: colour[frame], lineWidth: 2 });
  context.strokeRect(x, y, w, h);
}

// ------------------------------------------------ Numbers as lengths

function draw_bars(box, { kl, gap, elbo, log_px }, words) {
  // Two bars from the ELBO: the KL leads up to the reconstruction, the gap to log p(x), which
  // stands still. The scale is one of few, so that a nat keeps its length while q moves.
  if (gap === null) return box.replaceChildren();
  const scales = [25, 50, 100, 200, 400, 800, 1600, 3200, 6400];
  const scale = scales.find((s) => gap < 0.58 * s && kl - gap < 0.4 * s) ?? 12800;
  const low = log_px - 0.6 * scale, place = (v) => (100 * (v - low)) / scale;
  const add = (className, textContent, style) => {
    const span = Object.assign(document.createElement("span"), { className, textContent });
    Object.assign(span.style, style);
    return box.appendChild(span);
  };
  box.replaceChildren();
  add("axis", "", {});
  for (let v = Math.ceil(low / (scale / 5)) * (scale / 5); v < low + scale; v += scale / 5)
    if (place(v) > 4 && place(v) < 96) add("tick", fixed(v, 0), { left: `${place(v)}%` });
  const bar = (top, name, to, text) => {
    const width = `${Math.max(0, place(to) - place(elbo))}%`;
    const style = { top: `${top}px`, left: `${place(elbo)}%`, width, background: `var(--${name})` };
    const inside = add("bar", text, style);
    if (inside.scrollWidth <= inside.clientWidth) return;
    inside.textContent = "";  // too short for it: beside the bar
    add("label", text, { top: `${top + 2}px`, left: `calc(${place(to)}% + 7px)`, color: `var(--${name})` });
  };
  bar(17, "kl", elbo + kl, `KL ${fixed(kl)}`);
  bar(39, "posterior", elbo + gap, `${words.gap} ${fixed(gap)}`);
  for (const [v, text] of [[elbo, "ELBO"], [log_px, "log p(x)"]]) {
    add("rule", "", { left: `${place(v)}%` });
    const label = add("label", `${text} ${fixed(v)}`, { top: 0, left: `calc(${place(v)}% + 3px)` });
    if (v === log_px || label.offsetLeft < label.offsetWidth + 7) continue;
    Object.assign(label.style, { left: "", right: `calc(${100 - place(v)}% + 3px)` });
  }
}

function draw_climb(canvas, path, top, name) {
  // The value that climbs, step by step, under what it cannot pass.
  const { context, w, h } = fresh(canvas);
  const values = path.map(({ value }) => value), low = Math.min(...values);
  const range = Math.max(top - low, 0.01);
  const across = (k) => 8 + ((w - 150) * k) / Math.max(30, values.length - 1);
  const up = (v) => h - 6 - ((v - low) / range) * (h - 16);
  context.fillStyle = colour.ink;
  context.fillRect(0, up(top) - 0.5, w - 112, 1);
  context.font = "12px system-ui, sans-serif";
  Object.assign(context, { textAlign: "right", textBaseline: "middle" });
  context.fillText(`${name} ${fixed(top)}`, w - 2, up(top));
  context.beginPath();
  values.forEach((v, k) => context.lineTo(across(k), up(v)));
  Object.assign(context, { strokeStyle: colour.q, lineWidth: 2 });
  context.stroke();
  dot(context, [across(values.length - 1), up(values.at(-1))], "q", 4.5);
}

function draw_estimate(canvas, log_probs, mean, exact) {
  // log p(x|z) of each draw on a line, their mean, and what they estimate: null where not known.
  const { context, w, h } = fresh(canvas), middle = exact ?? mean ?? 0;
  const spread = Math.max(4, ...log_probs.map((v) => 1.15 * Math.abs(v - middle)));
  const place = (v) => (0.5 + (0.5 * (v - middle)) / spread) * w;
  context.fillStyle = colour.soft;
  context.fillRect(0, h / 2, w, 1);
  context.globalAlpha = log_probs.length === 1 ? 1 : log_probs.length === 10 ? 0.6 : 0.3;
  for (const v of log_probs) dot(context, [place(v), h / 2], "z", 4.5);
  Object.assign(context, { globalAlpha: 1, font: "12px system-ui, sans-serif", textAlign: "center" });
  for (const [v, name, y] of [[exact, "reconstruction", 12], [mean, "z", h - 3]]) {
    if (v === null) continue;
    context.fillStyle = colour[name];
    context.fillRect(place(v) - 1, 14, 2, h - 28);
    const half = context.measureText(fixed(v)).width / 2;
    const at = Math.max(half, Math.min(w - half, place(v)));
    context.fillText(fixed(v), at, y);
  }
}
