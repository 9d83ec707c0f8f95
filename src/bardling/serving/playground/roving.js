// Arrow keys in a group of things of which one at a time can be reached by Tab.

const STEPS = {
  both: { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 },
  across: { ArrowRight: 1, ArrowLeft: -1 },
  down: { ArrowDown: 1, ArrowUp: -1 },
};

/**
 * Let arrow keys, Home and End move through `container`'s elements that match `selector`.
 *
 * `moved(element)` hears of each that is reached, `picked(element, event)` of Enter and Space.
 */
export function rove(container, selector, { keys = "both", moved = () => {}, picked = null } = {}) {
  container.addEventListener("keydown", (event) => {
    const here = event.target.closest(selector);
    if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
    if (picked && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      picked(here, event);
      return;
    }
    const all = [...container.querySelectorAll(selector)];
    const place = all.indexOf(here);
    const targets = { Home: 0, End: all.length - 1 };
    const step = STEPS[keys][event.key];
    const next = step === undefined ? targets[event.key] : place + step;
    if (next === undefined) return;
    event.preventDefault();
    const target = all[Math.max(0, Math.min(all.length - 1, next))];
    reach(container, selector, target);
    target.focus();
    moved(target);
  });
  container.addEventListener("focusin", (event) => {
    const here = event.target.closest(selector);
    if (here) reach(container, selector, here);
  });
}

/** Make one element the one that Tab reaches. */
export function reach(container, selector, target) {
  for (const one of container.querySelectorAll(`${selector}[tabindex="0"]`)) one.tabIndex = -1;
  if (target) target.tabIndex = 0;
}
