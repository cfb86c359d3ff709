/** Asks the server for JSON. */

/** What the server refuses, or that it does not answer. */
export class Refused extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const PATIENCE = 20_000;

let onSignedOut = (): void => {};

/** Who is told when the server knows nobody any more. */
export function whenSignedOut(tell: () => void): void {
  onSignedOut = tell;
}

export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await get(path, "application/json", signal);
  return (await response.json()) as T;
}

export async function askText(path: string, signal?: AbortSignal): Promise<string> {
  return (await get(path, "application/yaml, application/json", signal)).text();
}

async function get(path: string, accept: string, signal?: AbortSignal): Promise<Response> {
  const response = await answered(path, accept, signal);
  if (response.ok) return response;
  if (response.status === 401) onSignedOut();
  throw await refusal(response);
}

async function answered(path: string, accept: string, signal?: AbortSignal): Promise<Response> {
  const patience = AbortSignal.timeout(PATIENCE);
  try {
    const until = signal ? AbortSignal.any([signal, patience]) : patience;
    return await fetch(path, { headers: { accept }, credentials: "same-origin", signal: until });
  } catch (error) {
    if (signal?.aborted) throw error;
    const why = patience.aborted ? "Foretop gave no answer in time" : "Foretop cannot be reached";
    throw new Refused(0, "unreachable", why);
  }
}

async function refusal(response: Response): Promise<Refused> {
  const { status } = response;
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return new Refused(status, error.code, error.message);
  } catch {
    return new Refused(status, `http_${status}`, `Foretop answered ${status}`);
  }
}

/** The path of a cluster's route. */
export function inCluster(cluster: string, ...rest: readonly string[]): string {
  return ["/api/clusters", cluster, ...rest].map((part, place) => (place === 0 ? part : encodeURIComponent(part))).join("/");
}
