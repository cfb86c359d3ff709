/** The console begins here. */

import { createClient } from "@foretop/client";
import { filtering } from "@foretop/client/filter";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app/app.tsx";
import { ClientContext } from "./app/live.ts";
import { applyTheme } from "./app/theme.tsx";
import "./styles/main.css";

applyTheme();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has a #root");
createRoot(root).render(
  <StrictMode>
    <ClientContext value={filtering(createClient())}>
      <App />
    </ClientContext>
  </StrictMode>,
);
