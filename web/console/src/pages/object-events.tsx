/** What has happened to an object. */

import type { ObjectEvent } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import { Age } from "../parts/age.tsx";
import { Mark } from "../parts/mark.tsx";
import { Refusal } from "./refusal.tsx";

const EVERY = 5000;

export function ObjectEvents({ path }: { readonly path: string | null }) {
  const { answer, refused } = useAsked<{ events: readonly ObjectEvent[] }>(path === null ? null : `${path}/events`, EVERY);
  const events = answer?.events;
  return (
    <>
      {refused && <Refusal refused={refused} />}
      {!events && !refused && <p className="fine">Asking the cluster</p>}
      {events?.length === 0 && <p className="fine">Nothing in the last hour, or as long as the cluster keeps events.</p>}
      <ul className="events">
        {events?.map((event, place) => (
          <li key={place}>
            <p>
              <Mark tone={event.type === "Warning" ? "warn" : "off"} /> <strong>{event.reason}</strong>
              <span className="fine">
                {event.type}, <Age since={event.last} /> ago{event.count > 1 && `, ${event.count} times`}
              </span>
            </p>
            <p>{event.message}</p>
            <p className="fine">{event.source}</p>
          </li>
        ))}
      </ul>
    </>
  );
}
