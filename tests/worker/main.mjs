// Everything about the Worker in workerd that is not a vector.
import { finish } from "./check.mjs";
import { config } from "./config.mjs";
import { proxy } from "./proxy.mjs";

for (const group of [proxy, config]) await group();
finish();
