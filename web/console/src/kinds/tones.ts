/** How the words that Kubernetes has for a state are meant. */

import type { Tone } from "./column.ts";

const FINE = new Set(["Running", "Active", "Bound", "Ready", "Available", "Complete"]);
const DONE = new Set(["Succeeded", "Completed", "Suspended", "Released"]);
const BUSY = new Set(["Pending", "ContainerCreating", "PodInitializing", "Terminating", "NotReady"]);
const BROKEN = new Set([
  "Failed", "Error", "Lost", "Evicted", "OOMKilled", "NodeLost", "DeadlineExceeded", "ContainerCannotRun", "StartError",
  "InvalidImageName", "ContainerStatusUnknown", "UnexpectedAdmissionError", "NodeAffinity", "Unknown",
]);

/** Of a pod's, a volume's, a namespace's or a job's state. */
export function ofState(state: string): Tone {
  if (FINE.has(state)) return "ok";
  if (DONE.has(state)) return "off";
  if (BUSY.has(state)) return "busy";
  if (BROKEN.has(state)) return "bad";
  if (/BackOff|^Err|Error|^(Init:)?(ExitCode|Signal)/.test(state)) return "bad";
  return state.startsWith("Init:") ? "busy" : "warn";
}

/** Of so many out of so many. */
export function ofCount(have: number, want: number): Tone | undefined {
  if (want === 0) return "off";
  if (have >= want) return undefined;
  return have === 0 ? "bad" : "warn";
}
