/** The console: reads where it runs, builds the parts, shows them. */
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./console.css";
import "./shell/shell.css";
import "./ui/ui.css";
import { createClient } from "@suture/contract";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createQueries } from "./api.ts";
import { App } from "./app.tsx";

const place = document.getElementById("console");
if (place === null) throw new Error("index.html has no #console");

const call = createClient({ server: "", fetch: (input, init) => window.fetch(input, init) });

createRoot(place).render(
  <StrictMode>
    <App call={call} queries={createQueries()} />
  </StrictMode>,
);
