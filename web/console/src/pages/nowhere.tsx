/** There is no such page. */

import { Link } from "../parts/link.tsx";
import { useTitle } from "./title.ts";

export function NowherePage() {
  useTitle("No such page");
  return (
    <main className="page" id="main">
      <section className="absence gone">
        <h1>There is no such page</h1>
        <Link to="/">All clusters</Link>
      </section>
    </main>
  );
}
