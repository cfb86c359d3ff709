/** Which page is shown. */

import { useEffect } from "react";

import { AdminPage } from "../pages/admin.tsx";
import { ClusterPage } from "../pages/cluster.tsx";
import { FleetPage } from "../pages/fleet.tsx";
import { ListPage } from "../pages/list.tsx";
import { NowherePage } from "../pages/nowhere.tsx";
import { SignInPage, UnreachablePage } from "../pages/sign-in.tsx";
import { kindNamed } from "../kinds/kinds.ts";
import { useAddress } from "./address.ts";
import { useLink } from "./live.ts";
import { refresh, signedOut, useSession } from "./session.ts";
import { Shell } from "./shell.tsx";

export function App() {
  const session = useSession();
  const { link } = useLink();
  useEffect(() => {
    void refresh();
    // Somebody else may have signed in by another tab.
    const seen = (): void => {
      if (!document.hidden) void refresh();
    };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, []);
  useEffect(() => {
    if (link === "signed_out") signedOut();
  }, [link]);

  switch (session.phase) {
    case "asking":
      return null;
    case "out":
      return <SignInPage />;
    case "unreachable":
      return <UnreachablePage message={session.message} />;
    case "in":
      return (
        <Shell key={session.who.subject} who={session.who}>
          <Page />
        </Shell>
      );
  }
}

function Page() {
  const { parts } = useAddress();
  const [area, cluster, name, ...more] = parts;
  if (area === undefined) return <FleetPage />;
  if (area === "server" && cluster === undefined) return <AdminPage />;
  if (area !== "clusters" || cluster === undefined || more.length > 0) return <NowherePage />;
  if (name === undefined) return <ClusterPage key={cluster} cluster={cluster} />;
  const kind = kindNamed(name);
  return kind ? <ListPage key={`${cluster} ${name}`} cluster={cluster} kind={kind} /> : <NowherePage />;
}
