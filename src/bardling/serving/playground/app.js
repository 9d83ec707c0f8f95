// Begins: asks what is served, sets up the tabs, and opens the view that the address names.
// Views are modules with `open(panel, world)`, loaded when they are first shown.

import { make, many, short } from "./dom.js";
import { address, goTo, recall, remember } from "./memory.js";
import { reach, rove } from "./roving.js";
import { ask } from "./server.js";
import { alarm, show } from "./status.js";

const VIEWS = [
  { id: "write", title: "Write" },
  { id: "chat", title: "Chat" },
  { id: "attention", title: "Attention" },
  { id: "embeddings", title: "Embeddings" },
  { id: "tokenizer", title: "Tokenizer", alone: true },
  { id: "compare", title: "Compare" },
  { id: "training", title: "Training", alone: true },
];
const THEMES = { auto: ["Auto", "as the system has them"], light: ["Light", "light"], dark: ["Dark", "dark"] };

const tabs = document.getElementById("tabs");
const panels = document.getElementById("panels");
const choice = document.getElementById("model");
const opened = new Map();

/** What the views share: the models, the one chosen, and who wants to hear of another. */
const world = {
  models: [],
  model: null,
  listeners: new Set(),
  current: "",
  heed(listener) {
    this.listeners.add(listener);
  },
  choose(name) {
    chooseModel(name);
  },
};

function chooseModel(name) {
  world.model = world.models.find((model) => model.name === name) || world.models[0] || null;
  if (world.model) choice.value = world.model.name;
  remember("page", { model: world.model?.name });
  document.getElementById("facts").textContent = world.model ? described(world.model) : "";
  setTabs();
  for (const listener of world.listeners) listener(world.model);
}

function described(model) {
  const size = `${short(model.parameters)} parameters`;
  const shape = `${many(model.n_layer, "layer")} × ${many(model.n_head, "head")}`;
  return `${size} · ${shape} · step ${model.step.toLocaleString("en")}`;
}

function offered() {
  return VIEWS.filter((view) => view.alone || world.model);
}

function setTabs() {
  const there = [...tabs.children].map((tab) => tab.dataset.view).join();
  const views = offered();
  if (there === views.map((view) => view.id).join()) return;
  tabs.replaceChildren(
    ...views.map((view) =>
      make("button", {
        type: "button", role: "tab", id: `tab-${view.id}`, data: { view: view.id, title: view.title }, tabindex: -1,
        "aria-controls": `view-${view.id}`, "aria-selected": "false",
        on: { click: () => openView(view.id, true) },
      }, view.title),
    ),
  );
  markTab();
}

function markTab() {
  for (const tab of tabs.children) {
    tab.setAttribute("aria-selected", String(tab.dataset.view === world.current));
  }
  reach(tabs, "[role=tab]", tabs.querySelector(`[data-view="${CSS.escape(world.current)}"]`));
}

async function openView(id, anew = false) {
  const views = offered();
  const view = views.find((one) => one.id === id) || views[0];
  world.current = view.id;
  remember("page", { view: view.id });
  if (address().view !== view.id) goTo(view.id, undefined, anew);
  document.title = `${view.title} · bardling`;
  if (!opened.has(view.id)) {
    const panel = make("section", {
      role: "tabpanel", id: `view-${view.id}`, class: `view ${view.id}`,
      "aria-labelledby": `tab-${view.id}`,
    });
    panels.append(panel);
    opened.set(view.id, { panel });
    try {
      const module = await import(`./views/${view.id}.js`);
      opened.get(view.id).shown = await module.open(panel, world);
    } catch (error) {
      alarm(error);
    }
  }
  for (const [name, { panel }] of opened) panel.hidden = name !== world.current;
  markTab();
  opened.get(world.current)?.shown?.();
}

function setUpTheme() {
  const button = document.getElementById("theme");
  const order = Object.keys(THEMES);
  const name = () => {
    const [word, meaning] = THEMES[window.bardlingTheme.choice] || THEMES.auto;
    button.textContent = `Theme: ${word.toLowerCase()}`;
    button.setAttribute("aria-label", `Colours: ${meaning}`);
  };
  button.addEventListener("click", () => {
    const next = (order.indexOf(window.bardlingTheme.choice) + 1) % order.length;
    window.bardlingTheme.choose(order[next]);
    name();
  });
  name();
}

async function begin() {
  setUpTheme();
  rove(tabs, "[role=tab]", { keys: "across", moved: (tab) => openView(tab.dataset.view, true) });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  try {
    world.models = (await ask("play/models")).models;
  } catch (error) {
    alarm(error);
    return;
  }
  choice.replaceChildren(...world.models.map((model) => make("option", { value: model.name }, model.name)));
  choice.disabled = world.models.length < 2;
  if (!world.models.length) choice.replaceChildren(make("option", {}, "no model is served"));
  choice.addEventListener("change", () => chooseModel(choice.value));
  const { view, words } = address();
  const left = recall("page", {});
  chooseModel(words.get("model") || left.model);
  show("Ready", "idle");
  await openView(view || left.view || (world.model ? "write" : "training"));
  window.addEventListener("hashchange", () => openView(address().view));
  window.addEventListener("popstate", () => openView(address().view));
  document.documentElement.dataset.ready = "true";
}

begin();
