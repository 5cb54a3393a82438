// Small helpers over the DOM; text only ever goes in as text.

const SPRITE = new URL("../../vendor/lucide/sprite.svg", import.meta.url).pathname;
const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes, then children (strings become text). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Make an icon of the sprite; it is decoration unless a label is given. */
export function icon(name, label = "", size = "") {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${SPRITE}#${name}`);
  svg.setAttribute("class", size ? `icon icon-${size}` : "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Change a text only when it differs, so that nothing is laid out for nothing. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Change an attribute only when it differs; null takes it away. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Change a class list only when it differs. */
export function dress(element, classes) {
  if (element.className !== classes) element.className = classes;
}

/** Keep children in step with a list: one element per key, made once, updated in place, moved only when it must. */
export class Rows {
  #parent;
  #create;
  #update;
  #known = new Map();

  constructor(parent, create, update) {
    this.#parent = parent;
    this.#create = create;
    this.#update = update;
  }

  sync(items, keyOf) {
    const wanted = new Set(items.map(keyOf));
    for (const [key, element] of this.#known) {
      if (!wanted.has(key)) {
        element.remove();
        this.#known.delete(key);
      }
    }
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let element = this.#known.get(key);
      if (!element) {
        element = this.#create(item);
        element.dataset.key = key;
        this.#known.set(key, element);
      }
      this.#update(element, item);
      if (element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(element, place);
    }
  }

  get(key) {
    return this.#known.get(key);
  }

  get size() {
    return this.#known.size;
  }
}

/** Return what a CSS colour token is now, as rgb(): light-dark() and color-mix() resolved. */
export function colour(token, alpha = 1) {
  const probe = make("span", { hidden: true });
  document.body.append(probe);
  probe.style.color = `var(--${token})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  const [red, green, blue] = found.match(/[\d.]+/g);
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}
