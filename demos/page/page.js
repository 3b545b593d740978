// The page: its state, what the reader does to it, and what is shown of it. The mathematics is in
// model.js, the pictures in pictures.js. In the browser's console, `explore` holds the state.

function show() {
  const data = JSON.parse(element("data").textContent);
  const shape = data.image_shape, [height, width] = shape;
  const model = make_model(data);
  const codes = float32(data.codes), count = codes.length / 2;
  const labels = data.labels && bytes_of(data.labels);
  const label_of = (k) => labels && data.label_names[labels[k]];
  const points = { codes, labels, names: data.label_names, offered: data.offered };
  const pixels = unpack(data.images, count * height * width);
  const images = Array.from({ length: count }, (_, k) =>
    Float64Array.from(pixels.subarray(k * height * width, (k + 1) * height * width), (v) => v / 255)
  );
  const reach = codes.map(Math.abs).sort()[Math.floor(0.998 * codes.length)]; // but for a few
  const view = { center: [0, 0], half_width: Math.min(6, Math.max(3.3, reach + 0.1)), pixels: 260 };
  const limit = data.grid.spacing * data.grid.half;
  const NOISE_WIDTH = 3.4; // from the middle to the edge of step 2's picture
  const STEP = 0.2; // of the way to the top that a step of Fit takes
  const follows_pen = data.grid.log_partition !== null; // else the grid takes longer: see model.js
  const text = () => TEXT[document.documentElement.lang === "en" ? "en" : "zh"];

  // ---- The state. Everything that is shown is computed from it, and from nothing else.

  const state = {
    x: null, image: 0, from: "test", index: null, strokes: [], // the image: "test", "drawing", "blank"
    since: 0, // the number of the image that this one, if it is being drawn, has grown from
    q: null, q_from: "encoder", // "encoder", "climbing", "stopped", "fitted", "yours"
    noise: normal(2), z_from: "draw", // "draw" or "hand"; z = μ + σ ⊙ ε
    extra: [], L: 1, // the draws of the estimate
    pixel_noise: model.decoder.pixel_noise(height * width),
    beta: 1, fit: null, lens: null, // where the magnification stands, once it does
    moved: null, // the ELBO's range while the reader moved q over this image
    tried: false, // whether q was fitted or moved on this image: the best rows are known from then
    code: null, done: new Set(),
    version: 0, found: null, // what the worker answered last, and to which version of the above
    encoded: null, z: null, p: null, // computed at once
  };
  const current = () => state.found?.version === state.version;
  const climbing = () => state.fit?.state === "climbing";

  function change(part, asking = true) {
    const { q, from } = state;
    Object.assign(state, part);
    if (part.x) {
      state.image++;
      if (from !== "drawing" || part.from !== "drawing") state.since = state.image;
      state.encoded = model.encoder.forward(part.x);
      const fresh_start = { q: state.encoded, q_from: "encoder", fit: null, lens: null, moved: null };
      Object.assign(state, fresh_start, { tried: false, code: null });
      if (state.z_from === "hand") Object.assign(state, { noise: normal(2), z_from: "draw" });
    } else if (part.q && !part.noise && state.z_from === "hand") {
      state.noise = noise_at(q.sample(state.noise), part.q); // z stays where it was put
    }
    state.z = state.q.sample(state.noise);
    state.p = model.decoder.forward(state.z);
    if (part.x || part.q || part.beta || part.L) {
      state.version++;
      pressed &&= !part.x && !part.q; // other draws and another β leave it waiting
      if (!follows_pen && part.x) state.found = null;
      clearTimeout(pause);
      if (!follows_pen && part.x) pause = setTimeout(ask, 200);
      else if (asking) ask(climbing() ? STEP : 0);
    }
    show_soon();
  }

  const noise_at = (z, { mean, std }) => z.map((v, k) => (v - mean[k]) / std[k]);
  // ---- Asking the worker: one question at a time; of those that come meanwhile, the latest.

  let busy = false, next = null, pause = null, put, pressed = false; // Fit, before its numbers were there
  function on_this_thread() {
    const answer = make_answers(data);
    put = (question) => setTimeout(() => hear(answer(question)));
    element("trouble").hidden = false;
    busy = false;
    if (state.x) ask(climbing() ? STEP : 0); // what the worker has not answered
  }
  try {
    const program = new Blob([element("model").textContent], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(program));
    worker.onmessage = ({ data }) => hear(data);
    worker.onerror = on_this_thread;
    put = (question) => worker.postMessage(question);
    put(data);
  } catch { on_this_thread(); }

  function ask(rate = 0) {
    const { version, x, image, q: { mean, log_var }, q_from, extra, beta, lens, tried } = state;
    const encoded = as_gaussian(state.encoded), yours = q_from === "yours";
    next = { version, x, image, yours, mean, log_var, encoded, noise: extra, beta, rate, view, lens, best: tried };
    if (!busy) send();
  }

  function send() { busy = true; put(next); next = null; }
  function hear(found) {
    busy = false;
    window.explore.started ??= performance.now(); // ms from the page's start to its first account
    if (found.rate === undefined || found.version === state.version) learn(found);
    if (next && !busy) send();
  }

  function learn(found) {
    if (found.rate !== undefined) return climbing() && step(found);
    // With the pen down the answer may be of a moment ago: it is shown, and marked as late.
    if (found.image !== state.image && !follows_pen) return;
    state.found = found;
    const elbo = elbo_of(found), [low, high] = state.moved ?? [elbo, elbo];
    if (found.image === state.image && found.yours && elbo !== null) {
      state.moved = [Math.min(low, elbo), Math.max(high, elbo)];
    }
    if (current()) state.lens ??= found.lens;
    if (current() && pressed) fit();
    show_soon();
  }
  const elbo_of = ({ reconstruction, kl }) => (reconstruction === null ? null : reconstruction - kl);
  const climbed = ({ reconstruction, kl, beta, mean }) => ({ mean, value: reconstruction - beta * kl });
  function step(found) {
    // The worker took q a step uphill, and has drawn up the account of the new q.
    const { fit } = state;
    const q = new DiagonalGaussian(found.mean, found.log_var);
    if (found.rate === 0) { // no step was left: it has arrived
      fit.state = "arrived";
      state.done.add("fit");
      change({ q_from: "fitted" });
    } else {
      fit.path.push(climbed(found));
      change({ q }, false); // the account is there already
      requestAnimationFrame(() => climbing() && current() && ask(Math.min(STEP, 1.5 * found.rate)));
    }
    state.found = { ...found, version: state.version };
    if (found.rate === 0) keep_in_sight();
  }

  // ---- What the reader does

  function explain(x, from, index = null) {
    state.done.add("draw");
    change({ x, from, index, strokes: from === "drawing" ? state.strokes : [] });
  }
  const take = (k) => explain(images[k], "test", k);
  function draw_z() { state.done.add("noise"); change({ noise: normal(2), z_from: "draw" }); }
  function put_noise(noise) { change({ noise: Float64Array.from(noise), z_from: "hand" }); }
  function put_z(z) {
    state.done.add("z");
    const bound = view.half_width; // z stays where it can be seen
    put_noise(noise_at(Float64Array.from(z, (v) => Math.max(-bound, Math.min(bound, v))), state.q));
  }
  function put_q(mean, std) {
    // The reader's q: no narrower than the grid can sum, and within it.
    state.done.add("encoder");
    const least = data.grid.spacing / 2;
    const within = (v, bound) => Math.max(-bound, Math.min(bound, v));
    const center = Float64Array.from(mean, (v) => within(v, limit - 4 * least));
    const widths = center.map((m, k) => Math.max(least, Math.min(1.2, std[k], (limit - Math.abs(m)) / 4)));
    const q = new DiagonalGaussian(center, widths.map((s) => 2 * Math.log(s)));
    change({ q, q_from: "yours", fit: null, tried: true });
  }

  function fit() {
    if (climbing()) {
      const { path, start } = state.fit, { q } = state;
      const from = start.from === "fitted" ? "stopped" : start.from;
      if (path.length === 1) return change({ q, q_from: from, fit: null }); // it has not begun
      state.fit.state = "stopped";
      return change({ q, q_from: "stopped" }); // whose account is asked for
    }
    pressed = !current(); // it begins with them
    if (!current() || state.found.gap === null) return;
    if (state.fit?.state !== "stopped") {
      const { q, q_from: from, found } = state, start = { q, from, elbo: elbo_of(found) };
      state.fit = { start, beta: state.beta, path: [climbed(found)] };
    }
    state.fit.state = "climbing";
    change({ q_from: "climbing", tried: true });
    ask(STEP);
  }

  const back = () => change({ q: state.encoded, q_from: "encoder", fit: null, lens: null });
  function weigh(beta) {
    const own = ["encoder", "yours"].includes(state.q_from);
    change({ beta, fit: null, q_from: own ? state.q_from : "stopped" });
  }
  function choose_L(L) {
    change({ L, extra: L === 1 ? [] : Array.from({ length: L }, () => normal(2)) });
    for (const b of element("draws").children) b.setAttribute("aria-pressed", b.value === String(L));
  }

  // ---- What is shown

  let frame = null, background = null, speaking = null;
  const views = {}; // what each of the two pictures shows: a square, by its centre and half width
  function show_soon() { frame ??= requestAnimationFrame(show_all); }
  const put_text = (id, value) => element(id).textContent === value || (element(id).textContent = value);
  const describe = (id, value) => element(id).setAttribute("aria-label", value);

  function show_all() {
    frame = null;
    show_image();
    show_steps();
    show_planes();
    show_account();
    show_estimate();
    const { hints } = text();
    put_text("hint", hints[Object.keys(hints).find((name) => !state.done.has(name))]);
    clearTimeout(speaking); // a screen reader is told once the numbers have come to rest
    speaking = setTimeout(() => {
      const { found } = state;
      if (current()) say("spoken", "account", found.log_px, elbo_of(found), found.gap);
    }, 800);
  }

  const name_of = (k) => text().test_image(k + 1, label_of(k));
  function show_image() {
    const { x, from, index, strokes } = state;
    if (state.painted !== x) {
      paint(element("x"), x, shape);
      state.painted = x;
      if (from === "test") paint(element("pad"), x, shape);
      [...element("digits").children].forEach((b, k) => {
        b.setAttribute("aria-checked", k === index);
        b.tabIndex = k === (index < data.offered ? index ?? 0 : 0) ? 0 : -1;
      });
    }
    if (from !== "test") draw_pad(element("pad"), strokes);
    describe("x", text().image(from === "test" ? name_of(index) : text()[from]));
    const { tap, draw } = text().pad_says;
    put_text("pad-says", touch && !armed ? tap : from === "blank" || (touch && from === "test") ? draw : "");
  }

  function nearest(to, place = (z) => z) {
    // The codes, the nearest first, and how far they are.
    const [a, b] = place(to);
    const far = Array.from({ length: count }, (_, k) => {
      const [c, d] = place([codes[2 * k], codes[2 * k + 1]]);
      return Math.hypot(a - c, b - d);
    });
    return [...far.keys()].sort((i, j) => far[i] - far[j]).map((k) => ({ k, far: far[k] }));
  }

  function show_steps() {
    const { x, encoded, q, q_from, noise, z, z_from, p, pixel_noise } = state;
    put_text("q-numbers", `μ = (${pair(encoded.mean)})\nσ = (${pair(encoded.std)})`);
    put_text("encoder-says", text().encoder_says[q_from]);
    for (const k of [0, 1]) {
      const numbers = { m: q.mean, s: q.std, e: noise, z };
      for (const name in numbers) put_text(`${name}${k}`, fixed(numbers[name][k]));
    }
    put_text("noise-says", text().noise_says[z_from]);
    put_text("log-prob", `log p(x|z) = ${fixed(p.log_prob(x))}`);
    for (const id of ["mean", "shown", "draw"]) {
      paint(element(id), id === "draw" ? p.sample(pixel_noise) : p.mean, shape);
      describe(id, text()[id === "draw" ? "draw" : "mean"](pair(z)));
    }
    describe("noise", text().noise(pair(noise)));
    draw_noise(element("noise"), noise, NOISE_WIDTH);
  }

  function show_planes() {
    const { q, z, fit, code } = state;
    const found = state.found?.image >= state.since ? state.found : null; // of no other image
    const around_q = { center: q.mean, half_width: 4 * Math.max(...q.std) };
    Object.assign(views, { plane: view, lens: state.lens ?? found?.lens ?? around_q });
    for (const [k, id] of ["plane", "lens"].entries()) {
      const { context, w, h } = fresh(element(id));
      if (!w) return; // not laid out yet
      const place = placer(views[id], w, h);
      if (found) {
        found.pictures ??= [[found.targets ?? [], "kl"], [found.heats, "posterior"]]
          .map(([heats, name]) => heats.map((heat) => heat_picture(heat, name)));
        for (const { [k]: one } of found.pictures) if (one) context.drawImage(one, 0, 0, w, h);
      }
      if (id === "plane") {
        background ??= still_picture(w, h, view, points);
        context.drawImage(background, 0, 0, w, h);
        outline(context, place, views.lens);
      } else {
        circles(context, place);
        draw_codes(context, place, w, h, points, 26);
      }
      if (fit) draw_path(context, place, fit.start.q, fit.path);
      draw_q(context, place, q, id === "plane" ? 1.5 : 2.2);
      if (id === "lens") draw_handles(context, place, q);
      z_dot(context, place(z), w, h);
      if (id === "lens") continue;
      inset(context, element("mean"), w - 0.18 * w - 6, 6, 0.18 * w, "z");
      if (code === null) continue;
      const [a, b] = place([codes[2 * code], codes[2 * code + 1]]);
      paint(thumbnail, images[code], shape);
      dot(context, [a, b], "ink", 5);
      inset(context, thumbnail, Math.min(w - 66, a + 10), Math.max(4, b - 70), 60, "ink");
    }
    const { mean, cov } = found?.posterior ?? {};
    const numbers = (m, s) => `(${pair(m)}) ± (${pair(s)})`;
    const of_q = numbers(q.mean, q.std);
    const of_posterior = found ? numbers(mean, [cov[0], cov[2]].map(Math.sqrt)) : "…";
    put_text("lens-numbers", of_q);
    put_text("posterior-numbers", of_posterior);
    const on_code = code !== null && text().code(code + 1, label_of(code));
    describe("plane", on_code || text().plane(pair(z), of_q, of_posterior));
    describe("lens", text().lens(pair(z), of_q, of_posterior));
  }
  const thumbnail = document.createElement("canvas");

  function show_account() {
    const { found, fit, q_from, tried, moved } = state;
    for (const id of ["account", "posterior-numbers", "fit-says"]) element(id).setAttribute("aria-busy", !current());
    element("fit").dataset.state = climbing() ? "climbing" : "idle";
    element("fit").setAttribute("aria-disabled", !climbing() && found?.gap === null); // and keeps the focus
    element("reset").setAttribute("aria-disabled", q_from === "encoder");
    element("beta").value = state.beta;
    say("fit-says", ...fit_says());
    if (!found) return say("account-says", "waiting");

    const { reconstruction, kl, gap, log_px, rows, by } = found;
    const elbo = elbo_of(found), sum = gap === null || elbo === null ? null : elbo + gap;
    const numbers = { reconstruction, kl: -kl, elbo, gap, sum, "log-px": log_px };
    for (const name in numbers) put_text(`n-${name}`, fixed(numbers[name]));
    if (found.posterior.cut) say("account-says", "cut");
    else if (moved && moved[1] - moved[0] >= 1) say("account-says", "still", ...moved, log_px);
    else if (sum === null) say("account-says", "outside");
    else if (by === "grid") say("account-says", "wide");
    else say("account-says", "agree", fixed(Math.abs(sum - log_px), 3));
    draw_bars(element("bars"), { kl, gap, elbo, log_px }, text());

    for (const name of ["mine", "encoder", "diagonal", "full", "posterior"]) {
      const its = name === "mine" ? elbo : name === "posterior" ? log_px : rows[name] && rows[name].elbo;
      const its_gap = name === "mine" ? gap : its === null ? null : log_px - its;
      put_text(`elbo-${name}`, its === undefined ? "?" : fixed(its));
      put_text(`gap-${name}`, its === undefined ? "?" : fixed(its_gap));
    }
    element("climb").hidden = !fit || found.posterior.cut; // cut off, its top is not known
    if (element("climb").hidden) return;
    const top = fit.beta === 1 ? log_px : found.ceiling;
    const ends = [fit.path[0].value, fit.path.at(-1).value, top].map((v) => fixed(v));
    describe("climb", text().climb_picture(...ends));
    draw_climb(element("climb"), fit.path, top, fit.beta === 1 ? "log p(x)" : "≤");
  }

  function say(id, key, ...values) {
    // A sentence by its key; numbers in nats come with two digits.
    const words = values.map((v) => (Number.isInteger(v) || typeof v === "string" ? v : fixed(v)));
    const sentence = text()[key];
    put_text(id, sentence.call ? sentence(...words) : sentence);
    element(id).dataset.says = key;
  }

  function fit_says() {
    // Which sentence is true of this q.
    const { found, fit, q_from, beta } = state;
    if (!found) return ["waiting"];
    const { gap, rows, posterior: { cut } } = found, elbo = elbo_of(found);
    if (gap === null) return ["outside"];
    if (climbing()) return ["climbing", fit.path.at(-1).value];
    if (fit?.state === "stopped" && beta === 1) return ["stopped", fit.start.elbo, elbo];
    if (fit?.state === "arrived") {
      if (cut) return beta === 1 ? ["arrived_cut", fit.start.elbo, elbo] : ["beta", beta];
      if (beta !== 1) return ["arrived_beta", beta, elbo - (beta - 1) * found.kl, found.ceiling, elbo, gap];
      if (rows.diagonal?.elbo > elbo + 0.01) return ["arrived_apart", elbo, rows.diagonal.elbo];
      if (fit.start.from !== "encoder") return ["arrived_own", fit.start.elbo, elbo, gap];
      return ["arrived", fit.start.elbo, elbo, elbo - fit.start.elbo, gap];
    }
    if (beta !== 1) return ["beta", beta];
    if (q_from === "yours" && rows.encoder.elbo !== null) {
      const by = elbo - rows.encoder.elbo;
      if (!cut && elbo > rows.diagonal?.elbo - 0.1) return ["top", gap];
      return by > 0 ? ["ahead", gap, by] : ["behind", gap, -by];
    }
    return q_from === "encoder" ? ["start", gap] : ["on_the_way", gap];
  }

  function show_estimate() {
    const { found, x, p, z_from } = state;
    element("estimate").parentElement.setAttribute("aria-busy", !current());
    if (!found) return;
    const exact = found.reconstruction;
    const drawn = z_from === "draw" ? [p.log_prob(x)] : [];
    const log_probs = [...drawn, ...found.log_probs.slice(drawn.length)], L = log_probs.length;
    const mean = L ? sum_of(log_probs) / L : null;
    const error = Math.sqrt(sum_of(log_probs.map((v) => (v - mean) ** 2)) / (L - 1) / L);
    if (!L) say("estimate-says", "by_hand", exact);
    else if (L === 1) say("estimate-says", "one", mean, exact);
    else say("estimate-says", "many", L, mean, error, exact);
    describe("estimate", text().estimate_picture(L));
    draw_estimate(element("estimate"), log_probs, mean, exact);
  }

  function restyle() {
    // After a change of language, theme or size.
    read_colours();
    background = null;
    delete state.found?.pictures;
    delete state.painted;
    document.title = document.querySelector(`h1 [lang="${document.documentElement.lang.slice(0, 2)}"]`).textContent;
    for (const id of ["pad", "digits", "draws"]) describe(id, text()[id]);
    [...element("digits").children].forEach((b, k) => b.setAttribute("aria-label", name_of(k)));
    put_text("about", text().about({ ...data.about, bernoulli: kind === "bernoulli" }));
    show_soon();
  }

  // ---- Hands

  const touch = matchMedia("(pointer: coarse)").matches;
  let armed = false; // whether a finger draws on the pad: it does after a tap, until one elsewhere

  function drag(canvas, { grab, move, end = () => {}, cancel = () => {}, click = () => {} }) {
    // One finger, pen or mouse, with places in units of the canvas's width. `grab` says what is
    // taken at a place, or null: a finger then scrolls, a mouse drags z. A second finger cancels.
    let taken = null, dragged = false;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.width];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary && taken) cancel();
      taken = null;
      if (event.button !== 0 || !event.isPrimary) return;
      const [a, b] = place(event), finger = event.pointerType === "touch";
      const what = grab([a, b], (finger ? 26 : 12) / canvas.clientWidth, finger);
      dragged = what !== null;
      if (what === null && finger) return;
      canvas.setPointerCapture(event.pointerId);
      taken = { what, from: [event.clientX, event.clientY], id: event.pointerId };
      if (what) move(what, [a, b], true);
    });
    canvas.addEventListener("touchstart", (event) => taken?.what && event.preventDefault(), { passive: false });
    canvas.addEventListener("pointermove", (event) => {
      if (taken?.id !== event.pointerId) return;
      const far = Math.hypot(event.clientX - taken.from[0], event.clientY - taken.from[1]);
      if (!taken.what && far < 4) return;
      taken.what ??= "z";
      dragged = true;
      move(taken.what, place(event));
    });
    canvas.onpointerup = canvas.onpointercancel = (event) => {
      if (taken?.id !== event.pointerId) return;
      if (taken.what) end();
      taken = null;
    };
    canvas.addEventListener("click", (event) => dragged || click(place(event), (touch ? 14 : 7) / canvas.clientWidth));
  }

  function keys(canvas, move, others) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // N is n, too
      if (key in arrows) move(arrows[key], event.shiftKey);
      else if (key in others) others[key]();
      else return;
      event.preventDefault();
    });
  }

  const z_at = ({ center, half_width }, [a, b]) => [
    center[0] + (2 * a - 1) * half_width, center[1] + (1 - 2 * b) * half_width,
  ];
  const near = (view, places, [a, b], radius) => {
    // The name of the nearest of these z to a place of a view, if it lies within the radius.
    const far = Object.entries(places).map(([name, z]) => {
      const [c, d] = placer(view, 1, 1)(z);
      return [Math.hypot(a - c, b - d), name];
    });
    const [distance, name] = far.sort((one, other) => one[0] - other[0])[0];
    return distance < radius ? name : null;
  };

  // The pad.
  let before = null, drawn = null; // the state before a stroke; the frame that will show the strokes
  drag(element("pad"), {
    grab: (place, radius, finger) => (finger && !armed ? null : "stroke"),
    move: (what, place, first) => {
      if (first) {
        const { x, from, index, strokes } = state;
        before = { x, from, index, strokes };
        state.strokes = [...(from === "drawing" ? strokes : []), []];
      }
      const stroke = state.strokes.at(-1), last = stroke?.at(-1);
      if (!stroke || (last && Math.hypot(place[0] - last[0], place[1] - last[1]) < 0.012)) return;
      stroke.push(place);
      drawn ??= requestAnimationFrame(() => {
        drawn = null;
        if (state.strokes.length) explain(rasterize(state.strokes, shape), "drawing");
      });
    },
    cancel: () => {
      cancelAnimationFrame(drawn);
      drawn = null;
      change(before);
    },
    click: () => arm(true),
  });
  function arm(on) {
    armed = on;
    element("pad").style.touchAction = on ? "none" : "pan-y pinch-zoom";
    show_soon();
  }
  document.addEventListener("pointerdown", ({ target }) => armed && target !== element("pad") && arm(false), true);

  // z in the plane, z and q around q, ε under N(0, I).
  const code_near = (place, radius) =>
    nearest(z_at(view, place), placer(view, 1, 1)).find(({ far }) => far < radius)?.k ?? null;
  drag(element("plane"), {
    grab: (place, radius) => near(view, { z: state.z }, place, radius),
    move: (what, place) => put_z(z_at(view, place)),
    click: (place, radius) => {
      const k = code_near(place, radius);
      if (k === null) put_z(z_at(view, place));
      else take(k);
    },
  });
  element("plane").addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const { clientWidth } = element("plane"), place = [event.offsetX, event.offsetY].map((v) => v / clientWidth);
    const code = event.buttons ? null : code_near(place, 7 / clientWidth);
    if (code !== state.code) change({ code });
  });
  element("plane").onpointerleave = element("plane").onblur = () => change({ code: null });
  keys(element("plane"), ([a, b], fine) => put_z(state.z.map((v, k) => v + (fine ? 0.01 : 0.1) * [a, b][k])), {
    Home: () => put_noise([0, 0]),
    n: () => {
      const order = nearest(state.z).map(({ k }) => k);
      change({ code: order[(order.indexOf(state.code) + 1) % count] });
    },
    Enter: () => state.code !== null && take(state.code),
  });

  function keep_in_sight() {
    // The magnification moves once q has left it, or is lost in it.
    const { q, lens } = state;
    const edge = [0, 1].map((k) => Math.abs(q.mean[k] - lens?.center[k]) + 2.4 * q.std[k]);
    if (!lens || (Math.max(...edge) < lens.half_width && Math.max(...q.std) > lens.half_width / 14)) return;
    change({ lens: null, q });
  }
  drag(element("lens"), {
    grab: (place, radius) => near(views.lens, { z: state.z, ...handles_of(state.q) }, place, radius),
    move: (what, place) => {
      const [a, b] = z_at(views.lens, place), { mean, std } = state.q;
      if (what === "z") put_z([a, b]);
      else if (what === "center") put_q([a, b], std);
      else if (what === "width") put_q(mean, [(a - mean[0]) / 2, std[1]]);
      else put_q(mean, [std[0], (b - mean[1]) / 2]);
    },
    end: keep_in_sight,
    click: (place) => put_z(z_at(views.lens, place)),
  });
  keys(element("lens"), (arrow, widths) => {
    const { mean, std } = state.q, step = views.lens.half_width / 40;
    if (widths) put_q(mean, std.map((s, k) => s * 1.1 ** arrow[k]));
    else put_q(mean.map((m, k) => m + step * arrow[k]), std);
    keep_in_sight();
  }, { Home: back });

  const noise_view = { center: [0, 0], half_width: NOISE_WIDTH };
  drag(element("noise"), {
    grab: (place, radius, finger) => (finger ? near(noise_view, { e: state.noise }, place, radius) : "e"),
    move: (what, place) => put_noise(z_at(noise_view, place)),
    click: (place) => put_noise(z_at(noise_view, place)),
  });
  keys(element("noise"), (arrow, fine) => put_noise(state.noise.map((v, k) => v + (fine ? 0.01 : 0.1) * arrow[k])),
    { Home: () => put_noise([0, 0]) });

  // Buttons.
  const root = document.documentElement;
  const clicks = {
    "draw-z": draw_z,
    "new-noise": draw_z,
    "new-draw": () => change({ pixel_noise: model.decoder.pixel_noise(height * width) }),
    fit,
    reset: back,
    clear: () => explain(new Float64Array(height * width), "blank"),
    language: () => remember("language", (root.lang = root.lang === "en" ? "zh-CN" : "en")),
    theme: () => remember("theme", (root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark")),
  };
  for (const id in clicks) element(id).addEventListener("click", clicks[id]);
  for (const id of ["language", "theme"]) element(id).addEventListener("click", restyle);
  for (const beta of [1, 2, 4, 8]) element("beta").add(new Option(beta, beta));
  element("beta").onchange = ({ target }) => weigh(Number(target.value));
  for (const L of [1, 10, 100]) {
    const button = element("draws").appendChild(document.createElement("button"));
    Object.assign(button, { textContent: `L = ${L}`, value: L, onclick: () => choose_L(L) });
  }
  for (let k = 0; k < data.offered; k++) {
    const button = element("digits").appendChild(document.createElement("button"));
    const canvas = button.appendChild(document.createElement("canvas"));
    canvas.className = "pixels";
    paint(canvas, images[k], shape);
    button.setAttribute("role", "radio");
    button.onclick = () => take(k);
  }
  keys(element("digits"), ([a, b]) => {
    const buttons = [...element("digits").children];
    const now = Math.max(0, buttons.indexOf(document.activeElement));
    const k = (now + (a || -b) + buttons.length) % buttons.length;
    take(k);
    buttons[k].focus();
  }, {});

  in_the_dark.addEventListener("change", () => restyle(choose_theme()));
  addEventListener("resize", restyle);
  document.addEventListener("click", ({ target }) => {
    const section = target.closest("[data-guide]")?.dataset.guide;
    if (!section) return;
    const words = data.explanations[root.lang.slice(0, 2)][section];
    for (const part of ["title", "html"]) element(`explanation-${part}`).innerHTML = words[part];
    if (!element("explanation").open) element("explanation").showModal();
    element("explanation").scrollTop = 0;
  });

  const kind = data.decoder.kind === "BernoulliDecoder" ? "bernoulli" : "gaussian";
  for (const part of document.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind;
  element("pad").style.aspectRatio = `${width} / ${height}`;
  arm(false);
  window.explore = { model, state, data, view, images, current, change, take, put_z, put_q, draw_z };
  take(data.start);
  state.done.clear();
  choose_L(1);
  restyle();
}

show();
