/**
 * Kubernetes' grammar of label selectors, as far as a box needs it: whether a text is one, and if not, what is wrong.
 *
 * `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, joined by commas. The server has the last word.
 */

const NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
const KEY = `(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?${NAME}`;
const VALUE = `(?:${NAME})?`;
const SET = `\\(\\s*${VALUE}(?:\\s*,\\s*${VALUE})*\\s*\\)`;

const REQUIREMENT = new RegExp(`^(?:!\\s*${KEY}|${KEY}|${KEY}\\s*(?:=|==|!=)\\s*${VALUE}|${KEY}\\s+(?:in|notin)\\s*${SET})$`);

/** What is wrong with a selector, for people; `null`: nothing. An empty one selects all. */
export function mistakeIn(selector: string): string | null {
  if (selector.trim() === "") return null;
  const parts = requirements(selector);
  if (parts === null) return "A parenthesis is not closed";
  const bad = parts.find((part) => !REQUIREMENT.test(part));
  if (bad === undefined) return null;
  return bad === "" ? "There is nothing between two commas" : `"${bad}" is no requirement: app=web, app!=web, app in (a,b), app, !app`;
}

/** The selector with one requirement more: a label that somebody has clicked on. */
export function narrowed(selector: string, key: string, value: string): string {
  const added = `${key}=${value}`;
  const parts = selector.trim() === "" ? [] : (requirements(selector) ?? []);
  return parts.includes(added) ? parts.join(",") : [...parts, added].join(",");
}

/** What commas part that stand in no parentheses; `null`: a parenthesis is not closed, or was never opened. */
function requirements(selector: string): string[] | null {
  const parts = [""];
  let depth = 0;
  for (const character of selector) {
    if (character === "(") depth += 1;
    if (character === ")") depth -= 1;
    if (depth < 0) return null;
    if (character === "," && depth === 0) parts.push("");
    else parts.push(parts.pop() + character);
  }
  return depth === 0 ? parts.map((part) => part.trim()) : null;
}
