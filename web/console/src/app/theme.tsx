/** Light or dark: as the system has it, unless one says otherwise. */

import { useState } from "react";

const THEMES = ["system", "light", "dark"] as const;

type Theme = (typeof THEMES)[number];

const KEY = "foretop-theme";

const NAMES: Readonly<Record<Theme, string>> = { system: "as the system", light: "light", dark: "dark" };

const SHAPES: Readonly<Record<Theme, string>> = {
  system: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 1.5v9a4.5 4.5 0 0 0 0-9Z",
  light: "M8 5a3 3 0 1 1 0 6a3 3 0 0 1 0-6ZM7.4.8h1.2v2.4H7.4ZM7.4 12.8h1.2v2.4H7.4ZM.8 7.4h2.4v1.2H.8ZM12.8 7.4h2.4v1.2h-2.4ZM2.5 3.3l.8-.8L5 4.2l-.8.8ZM11 11.8l.8-.8 1.7 1.7-.8.8ZM12.7 2.5l.8.8L11.8 5l-.8-.8ZM4.2 11l.8.8-1.7 1.7-.8-.8Z",
  dark: "M6.2 2A6.2 6.2 0 1 0 14 9.8 5.4 5.4 0 0 1 6.2 2Z",
};

function kept(): Theme {
  const theme = localStorage.getItem(KEY);
  return THEMES.find((known) => known === theme) ?? "system";
}

/** Before the first page is drawn. */
export function applyTheme(theme: Theme = kept()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(kept);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const change = (): void => {
    localStorage.setItem(KEY, next);
    applyTheme(next);
    setTheme(next);
  };
  const label = `Colours: ${NAMES[theme]}. Change to ${NAMES[next]}`;
  return (
    <button type="button" className="quiet" aria-label={label} title={label} onClick={change}>
      <svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
        <path d={SHAPES[theme]} fillRule="evenodd" />
      </svg>
    </button>
  );
}
