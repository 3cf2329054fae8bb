// The service as it runs: who answers, how fast, what can be exchanged, and which items may be recommended.
import { get } from "../api.js";
import { el } from "../dom.js";
import { head } from "../pieces.js";
import { sources } from "../sources.js";
import { itemsSection } from "./live_items.js";
import { systemsSection } from "./live_systems.js";
import { trafficSection } from "./live_traffic.js";
import { fill } from "../states.js";

export function livePage(_address, left) {
  const state = el("div");
  fill(
    state,
    () => get("/health"),
    (health) => el("p", { class: "soft lead" }, `Segue ${health.version} answers.`),
  );
  return {
    title: "Live",
    nodes: [
      head("Service", "Live", state),
      trafficSection(left),
      systemsSection(),
      itemsSection(),
      sources(
        [["/systems"], ["/ready"], ["/metrics"], ["/items"]],
        [
          ["/systems/NAME/swap", { run: "RUN" }],
          ["/items", { items: [{ item_id: "ID", title: "TITLE" }] }],
        ],
      ),
    ],
  };
}
