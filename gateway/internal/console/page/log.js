// The tail of the gateway's log.

const kept = 500; // lines on the page
const levels = { DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 };
const first = ["time", "level", "msg"];

function part(className, text) {
  const e = document.createElement("span");
  e.className = className;
  e.textContent = text;
  return e;
}

// item shows a line: when, how severe, what, and the rest as name=value.
function item(line) {
  const e = document.createElement("div");
  const level = levels[line.level] ?? 1;
  e.className = `level-${level}`;
  e.dataset.level = level;
  const rest = Object.entries(line).filter(([k]) => !first.includes(k))
    .map(([k, v]) => `${k}=${typeof v === "object" ? JSON.stringify(v) : v}`).join(" ");
  e.append(part("at", String(line.time).slice(11, 23)), " ", part("level", line.level), " ", part("text", line.msg), " ", part("rest", rest));
  return e;
}

// breakItem stands where the log was not followed.
function breakItem() {
  const e = document.createElement("div");
  e.className = "break";
  e.textContent = "what was written in between is not here";
  return e;
}

export class Log {
  constructor({ list, level, text, note }) {
    Object.assign(this, { list, level, text, note, after: "", lost: 0 });
    for (const control of [level, text]) control.addEventListener("input", () => this.filter(list.children));
  }

  // ask fetches what was written since the last time.
  async ask(signal) {
    const answer = await fetch(`log?after=${this.after}`, { signal });
    if (!answer.ok) throw new Error(`log: ${answer.status}`);
    const { next, lost, anew, lines } = await answer.json();
    if (anew && this.after !== "") this.list.append(breakItem());
    this.lost += lost;
    this.after = next;
    if (this.lost > 0) this.note.textContent = `${this.lost} lines are not here: more came than a console is given.`;
    if (lines.length === 0) return;
    const follows = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    const items = lines.slice(-kept).map(item);
    this.filter(items);
    this.list.append(...items);
    while (this.list.children.length > kept) this.list.firstChild.remove();
    // Whoever has scrolled up to read something stays there.
    if (follows) this.list.scrollTop = this.list.scrollHeight;
  }

  filter(items) {
    const least = Number(this.level.value), text = this.text.value.toLowerCase();
    for (const e of items) e.hidden = e.className !== "break" && (e.dataset.level < least || !e.textContent.toLowerCase().includes(text));
  }
}
