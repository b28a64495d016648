#!/usr/bin/env bash
# What somebody owes, asked and answered in XML and GBK.
. "$(dirname "$0")/biller.sh"

# A character that GBK lacks goes by its number.
name=
for ((at = 0; at < ${#NAME}; at++)); do
  letter=${NAME:at:1}
  name+=$(iconv -f UTF-8 -t GBK <<<"$letter" 2>/dev/null || printf '&#x%X;' "'$letter")
done
call query "<?xml version=\"1.0\" encoding=\"GBK\"?>
<request><pooling_region>$REGION</pooling_region><id_type>id_card</id_type><id_no>$ID_NO</id_no>
<name>$name</name><relation>other</relation><channel>$CHANNEL</channel></request>" \
  'application/xml; charset=gbk' | iconv -f GBK -t UTF-8
