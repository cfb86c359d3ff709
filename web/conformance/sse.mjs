// A stream as a stranger would read it: lines out of bytes, events out of lines. Stricter than a browser: what the protocol does not have is an error.

/** The events of a body, one by one; comments are events of the name "". */
export async function* events(body) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const piece of body) {
    text += decoder.decode(piece, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      yield* eventsOf(block);
    }
  }
}

function* eventsOf(block) {
  const event = { event: undefined, id: undefined, data: undefined, bytes: Buffer.byteLength(block) };
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) {
      yield { event: "", comment: line.slice(1).trim() };
      continue;
    }
    const [, field, value] = /^(event|id|data|retry): ?(.*)$/.exec(line) ?? [];
    if (field === undefined) throw new Error(`a line that is no field: ${JSON.stringify(line.slice(0, 100))}`);
    if (field === "retry") continue;
    if (event[field] !== undefined) throw new Error(`two fields ${field} in one event: ${JSON.stringify(block.slice(0, 200))}`);
    event[field] = value;
  }
  if (event.data === undefined && event.event === undefined) return;
  if (event.data === undefined) throw new Error(`an event without data: ${JSON.stringify(block.slice(0, 100))}`);
  const id = event.id === undefined ? undefined : /^([^/]+)(?:\/(.+))?$/.exec(event.id);
  if (id === null) throw new Error(`an id that is neither NUMBER nor NUMBER/POSITION: ${event.id}`);
  yield { event: event.event ?? "message", number: id?.[1], position: id?.[2], data: JSON.parse(event.data), bytes: event.bytes };
}
