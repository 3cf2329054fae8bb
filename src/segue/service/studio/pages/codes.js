// The tree of codes: one page for each prefix, and for each item's place.
import { get, path } from "../api.js";
import { go, to } from "../address.js";
import { choose } from "../choose.js";
import { el } from "../dom.js";
import { head } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { nodeOf, placeOf } from "./code_views.js";
import { runChoice } from "./data.js";

const MOST = 40;

export function codesPage(address) {
  const [name] = address.parts;
  const prefix = address.query.get("prefix") ?? "";
  const item = address.query.get("item");
  const most = Number(address.query.get("most") ?? MOST);
  const chooser = el("div");
  const nodes = [
    head(
      "Semantic ids",
      "Tree of codes",
      el(
        "p",
        { class: "soft lead" },
        "Items whose codes begin alike should be alike. Each step down is one code more.",
      ),
    ),
    chooser,
  ];
  fill(
    chooser,
    () => get("/runs"),
    ({ runs }) => {
      const coded = runs.filter((run) => run.codes && !run.problem);
      if (!coded.length)
        return nothing(
          "No run on the shelf gives its items codes.",
          el("p", { class: "soft" }, "Fit one with ", el("code", {}, "segue fit tiger_world --out runs/tiger"), "."),
        );
      if (!name) return go(to("codes", [coded[0].name]));
      return el("div", { class: "tools" }, runChoice("codes", coded, name).firstChild, finder(name).box);
    },
  );
  if (!name) return { title: "Codes", nodes };
  const box = el("div");
  if (item)
    fill(
      box,
      () => get(path`/runs/${name}/codes/items/${item}`),
      (place) => placeOf(name, place),
    );
  else
    fill(
      box,
      () => get(path`/runs/${name}/codes`, { prefix, most }),
      (node) => nodeOf(name, node, most),
    );
  const shown = item ? [path`/runs/${name}/codes/items/${item}`] : [path`/runs/${name}/codes`, { prefix, most }];
  nodes.push(box, sources([shown]));
  return { title: `Codes of ${name}`, nodes };
}

function finder(name) {
  return choose({
    label: "Find an item",
    placeholder: "title or id",
    suggest: async (query) => {
      const { items } = await get(path`/runs/${name}/codes/items`, { query, most: 8 });
      return items.map((one) => ({ value: one.item_id, title: one.title, note: one.codes.join(" · ") }));
    },
    chosen: (one) => go(to("codes", [name], { item: one.value })),
  });
}
