// Makes elements. Whatever comes from a model, a run or a person is added as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return a new element: attributes by name, `on` for listeners, `data` for data-*; then children. */
export function make(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** Return a new SVG element. */
export function draw(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return a value between 0 and 1 as per cent, with as many digits as tell something. */
export function percent(p) {
  if (p === 0) return "0 %";
  if (p < 0.0005) return "< 0.1 %";
  return `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;
}

/** Return a whole number with its thousands apart. */
export function count(n) {
  return Math.round(n).toLocaleString("en");
}

/** Return "1 token", "2 tokens". */
export function many(n, word) {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

/** Return a large number in a few characters: 1.7 M. */
export function short(n) {
  for (const [size, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(n) >= size) return `${Number((n / size).toPrecision(3))} ${unit}`;
  }
  return String(Number(n.toPrecision(3)));
}

/** Return a token as it is shown in lists, where spaces and line ends would not be seen. */
export function visible(text) {
  if (text === "") return "(nothing)";
  return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
}

/** Call a function once things have been quiet for so many milliseconds. */
export function calmly(work, wait) {
  let timer = 0;
  return (...words) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...words), wait);
  };
}
