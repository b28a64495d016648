"""Whether the signature is right, and if not, at which byte the strings part."""

from biller import call, show

show(call("echo-signature", {"any": "body"}))
