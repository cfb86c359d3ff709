/** What the server says of an object beside its row: scalars first, then what has a shape of its own. */

import type { ReactNode } from "react";

import { adjust, useAddress } from "../app/address.ts";
import { useAsked } from "../api/use-asked.ts";
import { moment } from "../kinds/column.ts";
import type { Row } from "../kinds/rows.ts";
import { Age } from "../parts/age.tsx";
import { narrowed } from "../selector/grammar.ts";
import { Refusal } from "./refusal.tsx";

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
type Fields = { readonly [key: string]: Value };

/** Shown by themselves, or by the drawer. */
const APART = new Set(["name", "namespace", "labels", "annotations", "uid", "owner"]);

/** As of now, and again while one looks. */
const EVERY = 10_000;

export function Details({ path, row }: { readonly path: string | null; readonly row: Row }) {
  const { answer, refused } = useAsked<Fields>(path, EVERY);
  // The row is here at once, and is the newer of the two.
  const fields: Fields = { ...answer, ...(row as unknown as Fields) };
  const rest = Object.entries(fields).filter(([name]) => !APART.has(name));
  const plain = rest.filter(([, value]) => isPlain(value));
  const shaped = rest.filter(([, value]) => !isPlain(value) && !isEmpty(value));
  const labels = (answer?.["labels"] ?? row.labels ?? {}) as Readonly<Record<string, string>>;
  return (
    <>
      {refused && <Refusal refused={refused} />}
      <dl className="facts">
        {plain.map(([name, value]) => (
          <Fact key={name} name={title(name)}>
            <Plain value={value} />
          </Fact>
        ))}
        <Owned row={row} />
      </dl>
      <Labels labels={labels} />
      {shaped.map(([name, value]) => (
        <section key={name}>
          <h3>{title(name)}</h3>
          <Shaped value={value} />
        </section>
      ))}
      <Annotations of={answer?.["annotations"] as Fields | undefined} />
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Owned({ row: { owner } }: { readonly row: Row }) {
  if (!owner) return null;
  return <Fact name="Owner">{typeof owner === "string" ? owner : `${owner.kind}/${owner.name}`}</Fact>;
}

/** Labels, of which a click narrows the list. */
function Labels({ labels }: { readonly labels: Readonly<Record<string, string>> }) {
  const { query } = useAddress();
  const all = Object.entries(labels);
  if (all.length === 0) return null;
  const narrow = (key: string, value: string): void => adjust({ selector: narrowed(query.get("selector") ?? "", key, value) });
  return (
    <section>
      <h3>Labels</h3>
      <ul className="labels">
        {all.map(([key, value]) => (
          <li key={key}>
            <button type="button" title="Show only what has this label" onClick={() => narrow(key, value)}>
              <span className="key">{key}</span>={value}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Annotations({ of }: { readonly of: Fields | undefined }) {
  const all = Object.entries(of ?? {});
  if (all.length === 0) return null;
  return (
    <section>
      <h3>Annotations</h3>
      <dl className="facts long">
        {all.map(([name, value]) => (
          <Fact key={name} name={name}>
            {String(value)}
          </Fact>
        ))}
      </dl>
    </section>
  );
}

function Shaped({ value }: { readonly value: Value }) {
  if (Array.isArray(value)) {
    const list = value as readonly Value[];
    return list.every(isFields) ? <FieldsTable rows={list} /> : <p>{list.map(inline).join(", ")}</p>;
  }
  return (
    <dl className="facts">
      {Object.entries(value as Fields).map(([name, one]) => (
        <Fact key={name} name={title(name)}>
          <Plain value={one} />
        </Fact>
      ))}
    </dl>
  );
}

function FieldsTable({ rows }: { readonly rows: readonly Fields[] }) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label={`${rows.length} of them`}>
      <table>
        <thead>
          <tr>
            {names.map((name) => (
              <th key={name} scope="col">
                {title(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              {names.map((name) => (
                <td key={name}>
                  <Plain value={row[name] ?? ""} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Plain({ value }: { readonly value: Value }) {
  const isTime = typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) && Number.isFinite(moment(value));
  if (!isTime) return inline(value);
  return (
    <>
      {value} (<Age since={value} />)
    </>
  );
}

function inline(value: Value): string {
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (Array.isArray(value)) return (value as readonly Value[]).map(inline).join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value).map(([name, one]) => `${name}: ${inline(one)}`).join(", ");
  }
  return String(value ?? "");
}

function isPlain(value: Value): boolean {
  return value !== null && typeof value !== "object";
}

function isEmpty(value: Value): boolean {
  return value === null || Object.keys(value as object).length === 0;
}

function isFields(value: Value): value is Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Words that people do not write small. */
const AS_WRITTEN: Readonly<Record<string, string>> = { qos: "QoS" };

/** `podIP` as people write it: "Pod IP". */
function title(name: string): string {
  const words = name.replace(/([a-z\d])([A-Z])/g, "$1 $2").split(" ");
  const lower = words.map((word) => AS_WRITTEN[word] ?? (/^[A-Z]{2,}s?$/.test(word) ? word : word.toLowerCase())).join(" ");
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}
