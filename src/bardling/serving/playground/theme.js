// Sets light or dark before anything is painted, and again when the system or the reader changes it.
// It is no module: modules wait for the page, and the page would flash.

(() => {
  const KEY = "bardling.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let choice = "auto";
  try {
    choice = localStorage.getItem(KEY) || "auto";
  } catch {
    // storage is switched off: the system decides
  }

  function apply() {
    const isDark = choice === "dark" || (choice === "auto" && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  window.bardlingTheme = {
    get choice() {
      return choice;
    },
    choose(next) {
      choice = next;
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // it holds for this page
      }
      apply();
    },
  };
  dark.addEventListener("change", apply);
  apply();
})();
