#!/usr/bin/env bash
# What somebody owes.
. "$(dirname "$0")/biller.sh"

call query "{\"pooling_region\":\"$REGION\",\"id_type\":\"id_card\",\"id_no\":\"$ID_NO\",
  \"name\":\"$NAME\",\"relation\":\"other\",\"channel\":\"$CHANNEL\"}"
