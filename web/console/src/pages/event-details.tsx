/** An event of the list of events: all of its message, and the way to what it is about. */

import { objectPath } from "../app/address.ts";
import { kindOfObject } from "../kinds/kinds.ts";
import type { EventRow } from "../kinds/rows.ts";
import { Age } from "../parts/age.tsx";
import { Link } from "../parts/link.tsx";

export function EventDetails({ cluster, event }: { readonly cluster: string; readonly event: EventRow }) {
  const kind = kindOfObject(event.kind);
  const object = `${event.kind}/${event.name}`;
  return (
    <>
      <p className="message">{event.message}</p>
      <dl className="facts">
        <div>
          <dt>Object</dt>
          <dd>{kind ? <Link to={objectPath(cluster, kind.name, event.name)}>{object}</Link> : object}</dd>
        </div>
        <div>
          <dt>Type</dt>
          <dd>{event.type}</dd>
        </div>
        <div>
          <dt>Reason</dt>
          <dd>{event.reason}</dd>
        </div>
        <div>
          <dt>Count</dt>
          <dd>{event.count}</dd>
        </div>
        <div>
          <dt>First seen</dt>
          <dd>
            <Age since={event.first} />
          </dd>
        </div>
        <div>
          <dt>Last seen</dt>
          <dd>
            <Age since={event.last} />
          </dd>
        </div>
        <div>
          <dt>Source</dt>
          <dd>{event.source}</dd>
        </div>
      </dl>
    </>
  );
}
