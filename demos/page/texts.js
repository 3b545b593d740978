"use strict";
// What the page says that changes with its numbers, in both languages. What stands still is in
// page.html, as pairs of elements with lang="en" and lang="zh".

const TEXT = {
  en: {
    pad: "Drawing pad: draw a digit with mouse, pen or finger. For the keyboard, choose a test image below.",
    test_image: (k, label) => `test image ${k}${label === null ? "" : `, a ${label}`}`,
    drawing: "your drawing",
    image: (what) => `The image x: ${what}`,
    noise: (e) => `ε = (${e}), drawn from N(0, I). Arrow keys move it.`,
    mean: (z) => `The mean of p(x|z) at z = (${z})`,
    draw: (z) => `A draw from p(x|z) at z = (${z})`,
    plane: (z, q, p) => `Latent plane. z = (${z}); ${q}; ${p}. Arrow keys move z, with Shift finely; Home puts it on q's mean.`,
    q: (m, s) => `q(z|x) has mean (${m}) and sigma (${s})`,
    posterior: (m, s) => `the exact posterior has mean (${m}) and standard deviations (${s})`,
    neighbours: (list) => `The ten codes nearest to μ belong to: ${list}.`,
    estimate: (L, mean, error, exact) =>
      L === 1
        ? `One draw, the ε of step 2, says ${mean}; the integral is ${exact}. Unbiased, so a minibatch of 100 images averages its noise away.`
        : `The mean of ${L} draws is ${mean} ± ${error}; the integral is ${exact}.`,
    estimate_picture: (L) => `${L} draws of log p(x|z), their mean, and the integral`,
    draws: "L, the number of draws",
    agree: (d) => `The sum of the three and the integral, computed apart, differ by ${d} nats.`,
    outside: "Part of q stands outside the grid, or is narrower than its spacing: the gap is not exact here.",
    waiting: "The exact posterior follows once the pen rests …",
    start: (gap) => `With the encoder's q the ELBO is ${gap} nats below log p(x). Part of that gap is the encoder's: it serves all images at once. The rest is the family's: the posterior is no diagonal Gaussian.`,
    fitting: (elbo) => `Climbing: ELBO ${elbo} nats …`,
    fitted: (from, to, won, left) => `The ELBO went from ${from} to ${to}. The amortization gap was ${won} nats: the price of one encoder for all images. ${left} nats remain: no diagonal Gaussian near here does better.`,
    account: (l, e, g) => `log p(x) = ${l}, ELBO = ${e}, gap = ${g} nats.`,
    elbo: (v) => `ELBO ${v}`,
    gap: "gap",
    about: (d) =>
      `The model: ${d.widths.join(" → ")}, trained for ${d.epochs} epochs on ${d.trained_on}. The grid: points ${d.spacing} apart; over the page's ${d.count} test images its log p(x) differs from the package's by at most ${fixed(d.error, 3)} nats${d.half ? ", the rounding of its weights to half precision included" : ""}. All is computed in this page by one readable script: look at its source, or type explore in the console.`,
  },
  zh: {
    pad: "画板：用鼠标、笔或手指写一个数字。用键盘时，可选下面的测试图像。",
    test_image: (k, label) => `测试图像 ${k}${label === null ? "" : `，数字 ${label}`}`,
    drawing: "你写的图像",
    image: (what) => `图像 x：${what}`,
    noise: (e) => `ε = (${e})，取自 N(0, I)。方向键可移动。`,
    mean: (z) => `z = (${z}) 处 p(x|z) 的均值`,
    draw: (z) => `在 z = (${z}) 处从 p(x|z) 采样一次`,
    plane: (z, q, p) => `潜空间平面。z = (${z})；${q}；${p}。方向键移动 z，按住 Shift 则细调；Home 键回到 q 的均值。`,
    q: (m, s) => `q(z|x) 的均值为 (${m})，σ 为 (${s})`,
    posterior: (m, s) => `精确后验的均值为 (${m})，标准差为 (${s})`,
    neighbours: (list) => `离 μ 最近的十个编码属于：${list}。`,
    estimate: (L, mean, error, exact) =>
      L === 1
        ? `一次采样（第 2 步的 ε）得 ${mean}，积分值是 ${exact}。估计是无偏的，所以对 100 张图像的小批量取平均，噪声就所剩无几。`
        : `${L} 次采样的平均为 ${mean} ± ${error}，积分值是 ${exact}。`,
    estimate_picture: (L) => `${L} 次采样各自的 log p(x|z)、它们的平均，以及积分值`,
    draws: "采样次数 L",
    agree: (d) => `三项之和与直接积分各自独立计算，相差 ${d} nat。`,
    outside: "q 有一部分在网格之外，或比网格间距还窄：此处的差距不精确。",
    waiting: "停笔之后再计算精确后验……",
    start: (gap) => `编码器的 q 使 ELBO 比 log p(x) 低 ${gap} nat。差距的一部分来自编码器：它要同时照顾所有图像；其余来自分布族：后验并不是对角高斯。`,
    fitting: (elbo) => `正在上升：ELBO ${elbo} nat……`,
    fitted: (from, to, won, left) => `ELBO 从 ${from} 升到 ${to}。摊销差距为 ${won} nat：这是所有图像共用一个编码器的代价。还剩 ${left} nat：附近没有更好的对角高斯了。`,
    account: (l, e, g) => `log p(x) = ${l}，ELBO = ${e}，差距 = ${g} nat。`,
    elbo: (v) => `ELBO ${v}`,
    gap: "差距",
    about: (d) =>
      `模型：${d.widths.join(" → ")}，在 ${d.trained_on} 上训练了 ${d.epochs} 轮。网格间距 ${d.spacing}；在本页的 ${d.count} 张测试图像上，log p(x) 与程序包的结果最多相差 ${fixed(d.error, 3)} nat${d.half ? "（含权重舍入到半精度的影响）" : ""}。一切都由本页自带的一份可读脚本算出：可以查看网页源代码，或在控制台输入 explore。`,
  },
};
