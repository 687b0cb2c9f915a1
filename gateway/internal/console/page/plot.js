// A plot of some series over the last minutes, with a legend and with a table for
// those who do not see it.

export const span = 180; // seconds that a plot shows

const svgSpace = "http://www.w3.org/2000/svg";
const colours = 8;

function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// ceiling is the least of 1, 2 and 5 times a power of ten that is no less than v.
function ceiling(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= v * (1 - 1e-9));
}

// look is how the series with a number is drawn.
function look(i) {
  return `series-${i % colours}${i < colours ? "" : " again"}`;
}

export class Plot {
  // format writes a value with its unit. With a fixed top the scale does not
  // follow the values; least is the lowest that it may go. With sparse, series
  // that are all zero are in the table only.
  constructor({ id, title, note, format, top, least, sparse }) {
    Object.assign(this, { format, top, least, sparse, points: [], names: [] });
    const heading = `${id}-title`;
    this.now = make("p", { class: "now" }, "–");
    this.svg = document.createElementNS(svgSpace, "svg");
    for (const [k, v] of Object.entries({
      viewBox: `0 0 ${span} 100`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${title}, the last three minutes. The table below has the numbers.`,
    })) this.svg.setAttribute(k, v);
    this.high = make("span", {}, "");
    this.legend = make("ul", { class: "legend", "aria-hidden": "true" });
    this.rows = make("tbody");
    const head = ["Series", "Now", "Lowest", "Highest"].map((t) => make("th", { scope: "col" }, t));
    this.element = make("section", { id, class: "panel", "aria-labelledby": heading },
      make("h2", { id: heading }, title), this.now,
      make("div", { class: "plot" }, make("div", { class: "scale", "aria-hidden": "true" }, this.high, make("span", {}, "0")),
        this.svg, make("div", { class: "times", "aria-hidden": "true" }, make("span", {}, "3 min ago"), make("span", {}, "now"))),
      this.legend,
      make("details", {}, make("summary", {}, "Numbers"),
        make("table", {}, make("caption", {}, `${title}, the last three minutes`), make("thead", {}, make("tr", {}, ...head)), this.rows)));
    if (note) this.element.append(make("p", { class: "note" }, note));
  }

  // add takes the values, by series, of a moment in seconds. A series that has
  // no value then is interrupted.
  add(at, values, now) {
    this.points.push({ at, values });
    while (this.points[0].at < at - span) this.points.shift();
    for (const name of values.keys()) if (!this.names.includes(name)) this.names.push(name);
    this.now.textContent = now;
    this.draw(at);
  }

  draw(at) {
    const stats = this.names.map((name, i) => {
      const known = this.points.map((p) => p.values.get(name)).filter((v) => Number.isFinite(v));
      return { name, i, known, now: this.points.at(-1).values.get(name) };
    });
    const most = Math.max(this.least ?? 1, ...stats.flatMap((s) => s.known));
    const top = this.top ?? ceiling(most);
    this.high.textContent = this.format(top);
    const drawn = stats.filter((s) => !this.sparse || s.known.some((v) => v > 0));
    this.svg.replaceChildren(...drawn.map(({ name, i }) => this.line(name, i, at, top)));
    this.legend.replaceChildren(...drawn.map(({ name, i }) => make("li", { class: look(i) }, make("i"), name)));
    this.rows.replaceChildren(...stats.map(({ name, known, now }) => make("tr", {}, make("th", { scope: "row" }, name),
      ...[now, Math.min(...known), Math.max(...known)].map((v) => make("td", {}, Number.isFinite(v) ? this.format(v) : "–")))));
  }

  line(name, i, at, top) {
    let d = "", pen = "M";
    for (const p of this.points) {
      const v = p.values.get(name);
      if (!Number.isFinite(v)) {
        pen = "M";
        continue;
      }
      d += `${pen}${(span - at + p.at).toFixed(1)} ${(100 - 100 * v / top).toFixed(1)}`;
      pen = "L";
    }
    const path = document.createElementNS(svgSpace, "path");
    path.setAttribute("class", look(i));
    path.setAttribute("d", d);
    return path;
  }
}
