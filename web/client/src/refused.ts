// What a server says when it does not do what it was asked.

/** An answer that is no 2xx. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** For programs: `forbidden`, `stream_elsewhere`, … */
    readonly code: string,
    message: string,
    /** The least that the server wants to be left alone, in milliseconds. */
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** What a refusing answer says: JSON of Foretop's, or whatever something between has put in its place. */
export async function refusalOf(response: Response): Promise<Refused> {
  const text = await response.text().catch(() => "");
  const said = asError(text);
  const message = said?.message ?? (text.trim().slice(0, 200) || response.statusText);
  return new Refused(response.status, said?.code ?? `http_${response.status}`, message, retryAfter(response.headers.get("retry-after")));
}

/** `views[3]…` or `add[3]…` of a message: which of the views that were asked for is wrong. */
export function wrongView(refused: Refused): number | undefined {
  const place = /^(?:views|add)\[(\d+)\]/.exec(refused.message);
  return place ? Number(place[1]) : undefined;
}

function asError(text: string): { code?: string; message?: string } | undefined {
  try {
    return (JSON.parse(text) as { error?: { code?: string; message?: string } }).error;
  } catch {
    return undefined;
  }
}

/** Seconds or a date (RFC 9110, 10.2.3), in milliseconds. */
function retryAfter(value: string | null): number {
  if (!value) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : 0;
}
