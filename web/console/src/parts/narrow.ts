/** Whether the page is as narrow as a phone. */

import { useSyncExternalStore } from "react";

const query = matchMedia("(max-width: 640px)");

function subscribe(watcher: () => void): () => void {
  query.addEventListener("change", watcher);
  return () => query.removeEventListener("change", watcher);
}

export function useIsNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}
