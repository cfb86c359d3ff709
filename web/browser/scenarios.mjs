// What may befall a browser full of live lists. After each, every tab shows what the clusters hold, and none has claimed more than it knew.

import { aside } from "./scenarios/aside.mjs";
import { between } from "./scenarios/between.mjs";
import { builds } from "./scenarios/builds.mjs";
import { churn } from "./scenarios/churn.mjs";
import { contract } from "./scenarios/contract.mjs";
import { many } from "./scenarios/many.mjs";
import { people } from "./scenarios/people.mjs";

/**
 * By name, in the order in which they are begun: the longest first. `needs`: tools without which one is left out. `args`: the browser's. `keeps`: arguments
 * that would take away what it is about. `isTimed`: nothing else is run beside it.
 */
export const scenarios = { ...many, ...churn, ...people, ...between, ...builds, ...aside, ...contract };
