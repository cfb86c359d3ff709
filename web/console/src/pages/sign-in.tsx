/** Who is not signed in is told how one does that here. */

import type { ReactNode } from "react";

import { refresh, useAuthConfig } from "../app/session.ts";
import { useTitle } from "./title.ts";

export function SignInPage() {
  const config = useAuthConfig();
  useTitle("Sign in");
  return <Card>{config && <Way mode={config.authMode} provider={config.providerName} />}</Card>;
}

function Way({ mode, provider }: { readonly mode: string; readonly provider: string | undefined }) {
  if (mode === "oidc") {
    const back = encodeURIComponent(location.pathname + location.search);
    return (
      <>
        <p>You are not signed in, or your session has ended. Nothing of it is kept in this browser.</p>
        <a className="button main" href={`/api/auth/login?returnTo=${back}`}>
          Sign in{provider !== undefined && ` with ${provider}`}
        </a>
      </>
    );
  }
  return (
    <>
      <p>{ELSEWHERE[mode] ?? "Foretop does not know who you are."}</p>
      <button type="button" className="button" onClick={() => void refresh()}>
        Try again
      </button>
    </>
  );
}

const ELSEWHERE: Readonly<Record<string, string>> = {
  header: "A proxy signs people in here, and it has not said who you are. Come by its address, and sign in there.",
  bearer: "This server takes bearer tokens alone, which a browser does not bring by itself. Put a proxy before it that does, or use oidc.",
  dev: "This server asks nobody who they are, and still refuses: is another server at this address?",
};

export function UnreachablePage({ message }: { readonly message: string }) {
  useTitle("Not reachable");
  return (
    <Card>
      <p>{message}.</p>
      <button type="button" className="button main" onClick={() => void refresh()}>
        Try again
      </button>
    </Card>
  );
}

function Card({ children }: { readonly children: ReactNode }) {
  return (
    <main className="card" id="main">
      <h1>Foretop</h1>
      {children}
    </main>
  );
}
