/** How one moves through a table without a mouse: as in vi, and as everywhere. */

/** Where a key leads from a place, among so many rows of which so many are in sight; `undefined`: nowhere. */
export function moved(key: string, from: number, size: number, page: number): number | undefined {
  const to = target(key, from, size, page);
  return to === undefined || size === 0 ? undefined : Math.min(Math.max(to, 0), size - 1);
}

function target(key: string, from: number, size: number, page: number): number | undefined {
  switch (key) {
    case "j":
    case "ArrowDown":
      return from + 1;
    case "k":
    case "ArrowUp":
      return from < 0 ? size - 1 : from - 1;
    case "PageDown":
      return from + page;
    case "PageUp":
      return from - page;
    case "g":
    case "Home":
      return 0;
    case "G":
    case "End":
      return size - 1;
    default:
      return undefined;
  }
}

/** Whether a key is meant for what has the focus, and not for the page. */
export function isForField(event: KeyboardEvent): boolean {
  const { target } = event;
  const isField = target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
  return isField || event.ctrlKey || event.metaKey || event.altKey;
}
