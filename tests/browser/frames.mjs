// How long the page's main thread is busy per frame, from a trace of the browser's own.
//
// A frame ends with its Commit; what is counted is the processor time of every task of the renderer's main thread that began since the last one's. (A
// headless browser has no GPU: what it does in its place would otherwise be counted as the page's.)

const MAIN = "CrRendererMain";

/** Traces a page for so many milliseconds. Answers the microseconds of each frame, ascending. */
export async function busyPerFrame(page, ms) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const ended = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel", "__metadata"] },
  });
  await page.waitForTimeout(ms);
  await session.send("Tracing.end");
  await ended;
  return perFrame(events);
}

function perFrame(events) {
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === MAIN);
  const threads = mains.map((main) => events.filter(({ pid, tid }) => pid === main.pid && tid === main.tid));
  const commits = (thread) => thread.filter(({ name, ph }) => name === "Commit" && ph === "X").map(({ ts }) => ts);
  // Other pages of the browser have their own.
  const [drawn = []] = threads.sort((a, b) => commits(b).length - commits(a).length);
  const ends = commits(drawn).sort((a, b) => a - b);
  const frames = ends.map(() => 0);
  const tasks = drawn.filter(({ name, ph }) => ph === "X" && name.endsWith("RunTask"));
  for (const { ts, dur = 0, tdur = dur } of outermost(tasks)) {
    const frame = ends.findIndex((end) => end >= ts);
    if (frame >= 0) frames[frame] += tdur;
  }
  return frames.sort((a, b) => a - b);
}

/** Tasks may be traced within tasks. */
function outermost(tasks) {
  let end = 0;
  return tasks
    .sort((a, b) => a.ts - b.ts)
    .filter(({ ts, dur = 0 }) => {
      if (ts < end) return false;
      end = ts + dur;
      return true;
    });
}

/** Of ascending values. */
export function quantile(sorted, q) {
  return sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)];
}
