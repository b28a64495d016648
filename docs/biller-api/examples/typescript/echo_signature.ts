// Whether the signature is right, and if not, at which byte the strings part.

import { call, show } from "./biller.js";

show(await call("echo-signature", { any: "body" }));
