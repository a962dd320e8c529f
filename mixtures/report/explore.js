"use strict";
// The explorer: densities to zoom into, and rows to look up. Without it the page loses nothing but this figure.
(() => {
  const byId = (name) => document.getElementById("explorer" + name);
  const data = JSON.parse(byId("-data").textContent);
  const box = byId(""), svg = byId("-svg"), readout = byId("-readout"), across = byId("-x"), up = byId("-y");
  const ENGINES = [["nuts", "NUTS", ""], ["vi", "VI", "2 3"], ["map", "EM (MAP)", "7 3"]];
  const HEIGHT = 340, PAD = { left: 56, right: 12, top: 12, bottom: 44 };
  const view = { x: 0, y: -1, xs: [0, 1], ys: [0, 1], row: null, drag: null };

  const node = (tag, attributes, parent = svg) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return parent.appendChild(element);
  };
  const short = (value) => String(Number(value.toPrecision(5))).replace("-", "−");
  const share = (value) => value.toFixed(2);
  const width = () => Math.max(300, svg.clientWidth || 720);
  const inner = () => ({ w: width() - PAD.left - PAD.right, h: HEIGHT - PAD.top - PAD.bottom });
  const toX = (v) => PAD.left + ((v - view.xs[0]) / (view.xs[1] - view.xs[0])) * inner().w;
  const toY = (v) => HEIGHT - PAD.bottom - ((v - view.ys[0]) / (view.ys[1] - view.ys[0])) * inner().h;
  const fromX = (px) => view.xs[0] + ((px - PAD.left) / inner().w) * (view.xs[1] - view.xs[0]);
  const ends = (grid) => [grid[0], grid[grid.length - 1]];

  function ticks([low, high], most) {
    const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
    return found;
  }

  function highest() {
    const grid = data.grid[view.x];
    let top = 0;
    for (const [name] of ENGINES) {
      if (!data[name]) continue;
      data[name][view.x].forEach((v, i) => {
        if (grid[i] >= view.xs[0] && grid[i] <= view.xs[1] && v > top) top = v;
      });
    }
    return top * 1.08 || 1;
  }

  function axes() {
    const { w } = inner(), foot = HEIGHT - PAD.bottom;
    for (const t of ticks(view.xs, w / 90)) {
      node("text", { x: toX(t), y: foot + 18, "text-anchor": "middle", class: "tick" }).textContent = short(t);
    }
    for (const t of ticks(view.ys, 4)) {
      node("line", { x1: PAD.left, x2: PAD.left + w, y1: toY(t), y2: toY(t), class: "rule" });
      node("text", { x: PAD.left - 6, y: toY(t) + 4, "text-anchor": "end", class: "tick" }).textContent = short(t);
    }
    const name = node("text", { x: PAD.left + w / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "tick" });
    name.textContent = data.columns[view.x];
  }

  function densities(plot) {
    const grid = data.grid[view.x], bars = data.histograms[view.x];
    bars.heights.forEach((h, i) => {
      const left = toX(bars.edges[i]), top = toY(h);
      const size = { width: Math.max(0, toX(bars.edges[i + 1]) - left), height: Math.max(0, toY(0) - top) };
      node("rect", { x: left, y: top, ...size, class: "bar" }, plot);
    });
    if (data.nuts_band) {
      const [low, high] = data.nuts_band[view.x];
      const there = grid.map((g, i) => `${toX(g)},${toY(high[i])}`), back = grid.map((g, i) => `${toX(g)},${toY(low[i])}`);
      node("polygon", { points: [...there, ...back.reverse()].join(" "), class: "band" }, plot);
    }
    for (const [name, , dashes] of ENGINES) {
      if (!data[name]) continue;
      const points = grid.map((g, i) => `${toX(g)},${toY(data[name][view.x][i])}`).join(" ");
      node("polyline", { points, class: "curve", style: `stroke:var(--${name === "map" ? "em" : name})`, "stroke-dasharray": dashes }, plot);
    }
    data.rows.values.forEach((v) => node("line", { x1: toX(v[view.x]), x2: toX(v[view.x]), y1: toY(0), y2: toY(0) - 9, class: "mark" }, plot));
  }

  function rows(plot) {
    data.rows.values.forEach((v) => node("circle", { cx: toX(v[view.x]), cy: toY(v[view.y]), r: 3.2, class: "dot" }, plot));
  }

  function draw() {
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width()} ${HEIGHT}`);
    if (view.y < 0) view.ys = [0, highest()];
    axes();
    const clip = node("clipPath", { id: "explorer-clip" });
    node("rect", { x: PAD.left, y: PAD.top, width: inner().w, height: inner().h }, clip);
    const plot = node("g", { "clip-path": "url(#explorer-clip)" });
    (view.y < 0 ? densities : rows)(plot);
    if (view.row !== null) {
      const at = data.rows.values[view.row], x = toX(at[view.x]);
      if (view.y < 0) node("line", { x1: x, x2: x, y1: PAD.top, y2: toY(0), class: "chosen" }, plot);
      else node("circle", { cx: x, cy: toY(at[view.y]), r: 7, class: "chosen" }, plot);
    }
    if (view.drag) {
      const [a, b] = [...view.drag].sort((p, q) => p - q);
      node("rect", { x: a, y: PAD.top, width: b - a, height: inner().h, class: "drag" });
    }
  }

  function tell() {
    if (view.row === null) return;
    const { rows: numbers, values, map, nuts, nuts_sd: sd, vi } = data.rows, i = view.row;
    const where = data.columns.slice(0, 6).map((c, d) => `${c} ${short(values[i][d])}`).join(", ");
    const parts = data.parts.map((part, k) => {
      const said = [];
      if (map) said.push(`MAP ${share(map[i][k])}`);
      if (vi) said.push(`VI ${share(vi[i][k])}`);
      if (nuts) said.push(`NUTS ${share(nuts[i][k])} ± ${share(sd[i][k])}`);
      return `${part}: ${said.join(", ")}`;
    });
    readout.textContent = `Row ${numbers[i]} (${where}). Probability of ${parts.join("; ")}.`;
  }

  function choose(row) {
    if (row === view.row) return;
    view.row = row;
    draw();
    tell();
  }

  function nearest(px, py) {
    let best = null, least = Infinity;
    data.rows.values.forEach((v, i) => {
      const away = view.y < 0 ? Math.abs(toX(v[view.x]) - px) : Math.hypot(toX(v[view.x]) - px, toY(v[view.y]) - py);
      if (away < least) [best, least] = [i, away];
    });
    return best;
  }

  function step(by) {
    const order = data.rows.values.map((_, i) => i).sort((a, b) => data.rows.values[a][view.x] - data.rows.values[b][view.x]);
    const at = view.row === null ? (by > 0 ? -1 : order.length) : order.indexOf(view.row);
    choose(order[Math.min(order.length - 1, Math.max(0, at + by))]);
  }

  const spread = ([low, high], factor) => [low + high - (high - low) * factor, low + high + (high - low) * factor].map((v) => v / 2);
  const moved = ([low, high], by) => [low + (high - low) * by, high + (high - low) * by];
  function zoom(factor) {
    view.xs = spread(view.xs, factor);
    if (view.y >= 0) view.ys = spread(view.ys, factor);
  }
  function whole() {
    view.xs = ends(data.grid[view.x]);
    if (view.y >= 0) view.ys = ends(data.grid[view.y]);
  }
  const ACTIONS = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => (view.xs = moved(view.xs, -0.25)),
    right: () => (view.xs = moved(view.xs, 0.25)), whole, previous: () => step(-1), next: () => step(1),
  };
  const KEYS = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "whole", ArrowUp: "previous", ArrowDown: "next" };
  const act = (name) => { ACTIONS[name](); draw(); };

  const place = (event) => {
    const frame = svg.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  svg.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(KEYS[event.key]);
  });
  svg.addEventListener("pointerdown", (event) => { view.drag = [place(event)[0], place(event)[0]]; });
  svg.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (view.drag && event.buttons) { view.drag[1] = px; draw(); } else choose(nearest(px, py));
  });
  addEventListener("pointerup", () => {
    if (!view.drag) return;
    const [a, b] = [...view.drag].sort((p, q) => p - q);
    view.drag = null;
    if (b - a > 8) view.xs = [fromX(a), fromX(b)];
    draw();
  });
  for (const button of box.querySelectorAll("button")) button.addEventListener("click", () => act(button.dataset.act));
  data.columns.forEach((name, d) => {
    across.add(new Option(name, d));
    up.add(new Option(name, d));
  });
  for (const [select, axis] of [[across, "x"], [up, "y"]]) {
    select.addEventListener("change", () => { view[axis] = Number(select.value); whole(); draw(); });
  }
  addEventListener("resize", draw);
  box.hidden = false;
  whole();
  draw();
})();
