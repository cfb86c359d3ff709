/** What a tab of the browser is called. */

import { useEffect } from "react";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Foretop`;
  }, [title]);
}
