/** How long ago something was, live. */

import { moment } from "../kinds/column.ts";
import { age } from "../time/age.ts";
import { useClock } from "../time/clock.ts";

export function Age({ since }: { readonly since: string | undefined }) {
  const at = moment(since);
  const text = useClock((now) => age(at, now));
  return text === "" ? null : (
    <time dateTime={since} title={since}>
      {text}
    </time>
  );
}
