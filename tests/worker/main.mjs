// All checks of the Worker in workerd that are not vectors.
import { blueGreen } from "./bluegreen.mjs";
import { finish } from "./check.mjs";
import { cache } from "./cache.mjs";
import { config } from "./config.mjs";
import { exported } from "./export.mjs";
import { fault } from "./fault.mjs";
import { gates } from "./gates.mjs";
import { jwt } from "./jwt.mjs";
import { ofrep, ofrepServed } from "./ofrep.mjs";
import { proxy } from "./proxy.mjs";
import { outcomes } from "./outcomes.mjs";
import { seeing } from "./seeing.mjs";
import { shadow } from "./shadow.mjs";
import { deployed } from "./wrangler.mjs";

for (const group of [proxy, fault, config, jwt, shadow, gates, outcomes, seeing, blueGreen, cache, ofrep, ofrepServed, deployed, exported]) await group();
finish();
