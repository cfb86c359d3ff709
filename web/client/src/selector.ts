// Which labels a selector selects, as Kubernetes has it.

type Labels = Readonly<Record<string, string>>;

/** Words end at white space and at these. */
const WORD = "[^\\s=!,()<>]";
/** One requirement and what ends it: `!a`, `a`, `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`. */
const REQUIREMENT = new RegExp(
  `\\s*(?:!\\s*(${WORD}+)|(${WORD}+)(?:\\s*(==?|!=)\\s*(${WORD}*)|\\s+(in|notin)\\s*\\(([^()]*)\\))?)\\s*(,|$)`,
  "y",
);

/** Says of an object's labels whether they are selected. Throws where the text is no selector; what names and values may be made of, the server says. */
export function selectedBy(selector: string): (labels: Labels) => boolean {
  if (selector.trim() === "") return () => true;
  const requirements: ((labels: Labels) => boolean)[] = [];
  for (let at = 0, isMore = true; isMore; at = REQUIREMENT.lastIndex) {
    REQUIREMENT.lastIndex = at;
    const found = REQUIREMENT.exec(selector);
    if (!found) throw new Error(`not a label selector: ${selector}`);
    const [, absent, key = "", operator, value = "", word, set = ""] = found;
    isMore = found[7] === ",";
    const values = word ? set.split(",").map((one) => one.trim()) : [value];
    if (absent !== undefined) requirements.push((labels) => !Object.hasOwn(labels, absent));
    else if (!operator && !word) requirements.push((labels) => Object.hasOwn(labels, key));
    else {
      const isWanted = operator !== "!=" && word !== "notin";
      // Who has no such label has none of the values.
      requirements.push((labels) => (Object.hasOwn(labels, key) && values.includes(labels[key] ?? "")) === isWanted);
    }
  }
  return (labels) => requirements.every((isMet) => isMet(labels));
}
