// Draws the report from the JSON block of the page. Everything that comes from a file is put in as text.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const result = data.variants.find((v) => v.role === "result");
const source = data.variants.find((v) => v.role === "source");
const known = (x) => x !== null && x !== undefined && Number.isFinite(x);
const figure = (x, digits) => (known(x) ? x.toFixed(digits) : "–");
const significant = (x) => (known(x) ? d3.format(".3~g")(x) : "–");
const bytes = (x) => {
  const units = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
  const [size, unit] = units.find(([s]) => x >= s) || units[3];
  return `${(x / size).toFixed(size > 1 && x / size < 100 ? 1 : 0)} ${unit}`;
};
const percent = (x) => `${(100 * x).toFixed(1)} %`;
const divergence = (v) => (v.role === "source" ? 0 : v.divergence ? v.divergence.mean : null);
const section = (id) => d3.select(`#${id}`);
const lead = (id, text) => section(id).select(".lead").text(text);

// rows: arrays of texts, the first of them the header.
function fill(table, rows, classes = () => null) {
  table.append("thead").append("tr").selectAll("th").data(rows[0]).join("th").text((d) => d);
  table.append("tbody").selectAll("tr").data(rows.slice(1)).join("tr")
    .attr("class", (d, i) => classes(i)).selectAll("td").data((d) => d).join("td").text((d) => d);
}

function heading() {
  const what = [data.type || "types for a budget", data.method].join(", ");
  document.title = `${data.out} – halfbyte report`;
  d3.select("#title").text(`${data.source} → ${data.out}`);
  d3.select("#subtitle").text(`${what}; written as ${data.to} in ${data.seconds.toFixed(1)} s`);
  d3.select("#why").text(data.why ? `Chosen: ${data.why}.` : "");
  const cards = [
    [bytes(data.bytes_out), `from ${bytes(data.bytes_in)} (${percent(data.bytes_out / data.bytes_in)})`],
    [figure(data.bits_per_weight, 2), "bits a weight"],
  ];
  if (result.divergence) {
    cards.push([significant(result.divergence.mean), "KL divergence from the source, nats a token"]);
    cards.push([percent(result.divergence.top1_agreement), "same likeliest token"]);
  }
  if (known(result.decode_tok_s)) {
    const gain = known(source.decode_tok_s) ? ` (${(result.decode_tok_s / source.decode_tok_s).toFixed(1)}x)` : "";
    cards.push([figure(result.decode_tok_s, 0), `tokens a second written${gain}`]);
  }
  const card = d3.select("#cards").selectAll("div").data(cards).join("div").attr("class", "card");
  card.append("b").text((d) => d[0]);
  card.append("span").text((d) => d[1]);
}

// Size across, loss up, the area of a circle its speed.
function variants() {
  const scored = data.variants.some((v) => v.divergence);
  const timed = data.variants.some((v) => known(v.decode_tok_s));
  lead("variants", (scored ? "Left and low is better. " : "Nothing was scored: --calib or --report-text gives a text. ")
    + (scored && timed ? "The larger a circle, the more tokens a second it writes." : ""));
  fill(section("variants").select("table"), [
    ["model", "size", "bits a weight", "mean KL", "99 % below", "same top token", "reads tok/s", "writes tok/s"],
    ...data.variants.map((v) => [v.label, bytes(v.bytes), figure(v.bits_per_weight, 2),
      v.role === "source" ? "0" : significant(divergence(v)), v.divergence ? significant(v.divergence.p99) : "–",
      v.divergence ? percent(v.divergence.top1_agreement) : "–", figure(v.prefill_tok_s, 0), figure(v.decode_tok_s, 0)]),
  ], (i) => data.variants[i].role);
  if (scored) bubbles(section("variants").select(".figure"));
}

function bubbles(place) {
  const width = Math.min(760, place.node().clientWidth || 760);
  const height = 300, left = 62, right = 24, top = 24, bottom = 46;
  const svg = place.append("svg").attr("viewBox", [0, 0, width, height]).attr("width", width);
  const shown = data.variants.filter((v) => known(divergence(v)));
  const x = d3.scaleLinear([0, 1.12 * d3.max(shown, (v) => v.bytes) / 1e6], [left, width - right]);
  // Some room below 0, where the source's circle is.
  const y = d3.scaleLinear([0, 1.2 * d3.max(shown, divergence) || 1], [height - bottom - 30, top + 10]).nice();
  const r = d3.scaleSqrt([0, d3.max(shown, (v) => v.decode_tok_s) || 1], [0, 24]);
  svg.append("g").attr("transform", `translate(0,${height - bottom})`).call(d3.axisBottom(x).ticks(width / 110));
  svg.append("g").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(5));
  svg.append("text").attr("class", "quiet").attr("x", width - right).attr("y", height - 8)
    .attr("text-anchor", "end").text("size, MB");
  svg.append("text").attr("class", "quiet").attr("x", 8).attr("y", 14).text("mean KL, nats a token");
  const colors = { source: "var(--quiet)", result: "var(--accent)", rtn: "var(--good)" };
  const mark = svg.selectAll(".mark").data(shown).join("g")
    .attr("transform", (v) => `translate(${x(v.bytes / 1e6)},${y(divergence(v))})`);
  const radius = (v) => Math.max(6, r(v.decode_tok_s || 0));
  mark.append("circle").attr("r", radius).attr("fill-opacity", 0.35)
    .style("fill", (v) => colors[v.role]).style("stroke", (v) => colors[v.role]);
  // On the side where there is room.
  const onLeft = (v) => x(v.bytes / 1e6) + 60 + 7 * v.label.length > width;
  mark.append("text").attr("dy", "0.35em").attr("text-anchor", (v) => (onLeft(v) ? "end" : "start"))
    .attr("x", (v) => (onLeft(v) ? -1 : 1) * (radius(v) + 6)).text((v) => v.label);
}

// A cell for each layer and kind.
function errors() {
  const cells = data.tensors.filter((t) => t.error > 0);
  lead("errors", cells.length === 0 ? "Every tensor is an exact copy." : "Relative error of each tensor"
    + (data.output_errors ? "'s outputs on the calibration text (of an embedding that is not the head: of its weights)." : "'s weights.")
    + ` ${dark.matches ? "Brighter" : "Darker"} is more.`);
  if (cells.length === 0) return;
  const kinds = [...new Set(cells.map((t) => t.kind))];
  const layers = [...new Set(cells.map((t) => (t.layer === null ? -1 : t.layer)))].sort(d3.ascending);
  const left = 14 + 7 * d3.max(kinds, (k) => Math.min(k.length, 24)), top = 8, row = 24;
  const room = section("errors").select(".figure").node().clientWidth || 800;
  const column = Math.max(18, Math.min(48, (room - left - 8) / layers.length));
  const low = d3.min(cells, (t) => t.error), high = d3.max(cells, (t) => t.error);
  const ramp = dark.matches ? d3.interpolateViridis : (u) => d3.interpolateYlOrRd(0.08 + 0.87 * u);
  const color = d3.scaleSequential([low === high ? 0 : low, high], ramp);
  const width = left + column * layers.length + 8, height = top + row * kinds.length + 34;
  const svg = section("errors").select(".figure").append("svg").attr("width", width).attr("height", height);
  const x = (t) => left + column * layers.indexOf(t.layer === null ? -1 : t.layer);
  svg.selectAll(".kind").data(kinds).join("text").attr("x", left - 8).attr("text-anchor", "end")
    .attr("y", (k, i) => top + row * i + 16).text((k) => (k.length > 24 ? `${k.slice(0, 23)}…` : k));
  for (const [i] of kinds.entries()) {
    svg.append("rect").attr("class", "empty").attr("x", left).attr("y", top + row * i).attr("rx", 2)
      .attr("width", column * layers.length - 2).attr("height", row - 2);
  }
  svg.selectAll(".cell").data(cells).join("rect").attr("class", "cell").attr("x", x)
    .attr("y", (t) => top + row * kinds.indexOf(t.kind)).attr("width", column - 2).attr("height", row - 2)
    .attr("rx", 2).attr("fill", (t) => color(t.error))
    .append("title").text((t) => `${t.name}\n${t.type}, error ${significant(t.error)}`);
  const every = Math.ceil(26 / column);
  svg.selectAll(".layer").data(layers.filter((l) => l < 0 || l % every === 0)).join("text")
    .attr("class", "quiet").attr("text-anchor", "middle").attr("y", top + row * kinds.length + 14)
    .attr("x", (l) => left + column * (layers.indexOf(l) + 0.5) - 1).text((l) => (l < 0 ? "–" : l));
  svg.append("text").attr("class", "quiet").attr("x", left).attr("y", height - 4)
    .text(layers[0] < 0 ? "layer (–: in none)" : "layer");
  key(low, high, ramp);
}

function key(low, high, ramp) {
  const legend = section("errors").append("div").attr("class", "legend");
  const steps = d3.range(low === high ? 1 : 5).map((i) => low + ((high - low) * i) / 4);
  const entry = legend.selectAll("span").data(steps).join("span");
  entry.append("i").style("background", (e) => ramp(high > low ? (e - low) / (high - low) : 1));
  entry.append("span").text(significant);
}

// Bytes of each kind, by type.
function bits() {
  const total = d3.sum(data.tensors, (t) => t.bytes);
  const kinds = d3.nest().key((t) => t.kind).entries(data.tensors).map((entry) => ({
    kind: entry.key,
    bytes: d3.sum(entry.values, (t) => t.bytes),
    elements: d3.sum(entry.values, (t) => t.elements),
    types: d3.nest().key((t) => t.type).rollup((v) => d3.sum(v, (t) => t.bytes)).entries(entry.values),
  })).sort((a, b) => d3.descending(a.bytes, b.bytes));
  const shown = kinds.filter((k) => k.bytes >= total / 500);
  const rest = kinds.length - shown.length;
  lead("bits", `${bytes(total)} in ${data.tensors.length} tensors.`
    + (rest > 0 ? ` ${rest} kinds with less than 0.2 % each are not drawn.` : ""));
  const types = [...new Set(shown.flatMap((k) => k.types.map((t) => t.key)))];
  const color = d3.scaleOrdinal(types, ["#4c78a8", "#e39c37", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d"]);
  const legend = section("bits").insert("div", ".figure").attr("class", "legend").selectAll("span").data(types).join("span");
  legend.append("i").style("background", color);
  legend.append("span").text((t) => t);
  const place = section("bits").select(".figure");
  const width = Math.min(860, place.node().clientWidth || 860), row = 26;
  const left = 14 + 7 * d3.max(shown, (k) => Math.min(k.kind.length, 24)), right = width < 520 ? 96 : 190;
  const x = d3.scaleLinear([0, d3.max(shown, (k) => k.bytes)], [0, Math.max(60, width - left - right)]);
  const svg = place.append("svg").attr("viewBox", [0, 0, width, row * shown.length + 4]).attr("width", width);
  const line = svg.selectAll("g").data(shown).join("g").attr("transform", (k, i) => `translate(0,${row * i})`);
  line.append("text").attr("x", left - 8).attr("y", 17).attr("text-anchor", "end")
    .text((k) => (k.kind.length > 24 ? `${k.kind.slice(0, 23)}…` : k.kind));
  line.each(function (k) {
    let at = left;
    for (const type of k.types) {
      d3.select(this).append("rect").attr("x", at).attr("y", 3).attr("height", row - 6).attr("width", x(type.value))
        .attr("fill", color(type.key)).append("title").text(`${k.kind}: ${bytes(type.value)} as ${type.key}`);
      at += x(type.value);
    }
    const share = width < 520 ? bytes(k.bytes)
      : `${bytes(k.bytes)}, ${percent(k.bytes / total)}, ${figure((8 * k.bytes) / k.elements, 2)} bits`;
    d3.select(this).append("text").attr("class", "quiet").attr("x", at + 6).attr("y", 17).text(share);
  });
}

function perplexity() {
  const measures = source.perplexity;
  if (measures.length === 0) return section("perplexity").remove();
  lead("perplexity", "Lower is better. Figures compare within a line only: conventions differ in what they score.");
  fill(section("perplexity").select("table"), [
    ["convention", "window", "tokens scored", ...data.variants.map((v) => v.label)],
    ...measures.map((m) => [m.convention, m.ctx, m.tokens, ...data.variants.map((v) => {
      const own = v.perplexity.find((p) => p.convention === m.convention);
      return own ? `${figure(own.value, 2)} ± ${figure(own.stderr, 2)}` : "–";
    })]),
  ]);
}

function samples() {
  if (!data.variants.some((v) => v.texts.length > 0)) return section("samples").remove();
  lead("samples", "The likeliest 40 tokens each. What differs from the source is marked from where it begins to.");
  const sample = section("samples").select(".list").selectAll("div").data(data.prompts).join("div").attr("class", "sample");
  sample.append("h3").text((p) => p);
  const text = sample.append("div").attr("class", "texts").selectAll("div")
    .data((p, i) => data.variants.map((v) => ({ label: v.label, text: (v.texts[i] || "").trim(), model: (source.texts[i] || "").trim() })))
    .join("div").attr("class", "text");
  text.append("small").text((t) => t.label);
  const body = text.append("div");
  const split = (t) => {
    let at = 0;
    while (at < t.text.length && t.text[at] === t.model[at]) ++at;
    return at === t.text.length ? at : t.text.lastIndexOf(" ", at) + 1;
  };
  body.append("span").text((t) => t.text.slice(0, split(t)));
  body.append("mark").text((t) => t.text.slice(split(t)));
}

function rest() {
  if (data.notes.length === 0) section("notes").remove();
  section("notes").select("ul").selectAll("li").data(data.notes).join("li").text((d) => d);
  section("tensors").select("summary").text(`${data.tensors.length} tensors`);
  fill(section("tensors").select("table"), [
    ["name", "type", "bytes", "bits a weight", "error"],
    ...data.tensors.map((t) => [t.name, t.type, d3.format(",")(t.bytes), figure((8 * t.bytes) / t.elements, 2),
      t.error ? significant(t.error) : "–"]),
  ]);
  d3.select("#footer").text(`halfbyte ${data.version}, ${data.threads} threads, ${data.isa}. Speeds: prompts of 128 tokens,`
    + " 32 written, medians of 3. Drawn with D3 (BSD-3-Clause).");
}

function draw() {
  for (const part of [heading, variants, errors, bits, perplexity, samples, rest]) part();
}
draw();
// Colors are chosen while drawing.
dark.addEventListener("change", () => window.location.reload());
