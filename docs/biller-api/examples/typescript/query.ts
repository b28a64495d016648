// What somebody owes.

import { call, question, show } from "./biller.js";

show(await call("query", question()));
