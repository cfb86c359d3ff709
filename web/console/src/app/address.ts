/** Where one is: the page's address, which holds all that somebody would want to send to a colleague. */

import { useSyncExternalStore } from "react";

const watchers = new Set<() => void>();

function tell(): void {
  for (const watcher of watchers) watcher();
}

function subscribe(watcher: () => void): () => void {
  if (watchers.size === 0) addEventListener("popstate", tell);
  watchers.add(watcher);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0) removeEventListener("popstate", tell);
  };
}

function current(): string {
  return location.pathname + location.search;
}

/** Goes to a page of the console. */
export function go(to: string): void {
  if (to === current()) return;
  history.pushState(null, "", to);
  tell();
}

/** Changes what the address says of this page, without a step for "back". `null` and an empty list: says nothing of it. */
export function adjust(changes: Readonly<Record<string, string | readonly string[] | null>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    for (const one of value === null ? [] : [value].flat()) if (one !== "") query.append(name, one);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text === "" ? "" : `?${text}`));
  tell();
}

export interface Address {
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

export function useAddress(): Address {
  return parse(useSyncExternalStore(subscribe, current));
}

export function parse(address: string): Address {
  const { pathname, searchParams } = new URL(address, "http://console");
  return { parts: pathname.split("/").filter(Boolean).map(unescaped), query: searchParams };
}

/** A page of a cluster. */
export function clusterPath(cluster: string, ...rest: readonly string[]): string {
  return ["/clusters", ...[cluster, ...rest].map(encodeURIComponent)].join("/");
}

/** The list that an object is in, narrowed down to it. */
export function objectPath(cluster: string, kind: string, name: string): string {
  return `${clusterPath(cluster, kind)}?filter=${encodeURIComponent(name)}`;
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
