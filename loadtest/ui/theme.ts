// Light or dark: as the system has it, until someone says otherwise.
export type Theme = "light" | "dark";

const key = "inference-stack.theme";

/** The theme on the screen now. */
export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Shows a theme, and remembers it for this browser. */
export function chooseTheme(next: Theme): void {
  document.documentElement.dataset["theme"] = next;
  dispatchEvent(new Event("theme"));
  try {
    localStorage.setItem(key, next);
  } catch {
    // A browser that keeps nothing for files: the choice holds until the page is closed.
  }
}

/** Shows the theme chosen earlier, if one was. */
export function recallTheme(): void {
  try {
    const chosen = localStorage.getItem(key);
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
  } catch {
    // As above.
  }
}
