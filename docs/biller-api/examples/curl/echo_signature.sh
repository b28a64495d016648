#!/usr/bin/env bash
# Whether the signature is right, and if not, at which byte the strings part.
. "$(dirname "$0")/biller.sh"

call echo-signature '{"any":"body"}'
