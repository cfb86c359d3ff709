// How long the page's main thread is busy per frame, from a trace of the browser's own.
//
// A frame is the time from one BeginMainThreadFrame to the next; what is counted is all tasks of the renderer's main thread in it.

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
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === MAIN).map(({ pid, tid }) => `${pid} ${tid}`);
  const frames = new Map();
  const busy = mains
    .map((main) => events.filter(({ pid, tid }) => `${pid} ${tid}` === main))
    .map((own) => ({ own, begins: own.filter(({ name }) => name === "BeginMainThreadFrame").map(({ ts }) => ts).sort((a, b) => a - b) }))
    .sort((a, b) => b.begins.length - a.begins.length)[0];
  if (!busy || busy.begins.length < 2) return [];
  const { own, begins } = busy;
  for (let frame = 0; frame + 1 < begins.length; frame += 1) frames.set(frame, 0);
  const tasks = own.filter(({ name, ph }) => ph === "X" && (name === "RunTask" || name === "ThreadControllerImpl::RunTask"));
  for (const { ts, dur = 0 } of outermost(tasks)) {
    const frame = lastAtOrBefore(begins, ts + dur);
    if (frames.has(frame)) frames.set(frame, frames.get(frame) + dur);
  }
  return [...frames.values()].sort((a, b) => a - b);
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

function lastAtOrBefore(times, at) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function quantile(sorted, q) {
  return sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)];
}
