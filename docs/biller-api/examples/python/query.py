"""What somebody owes."""

from biller import call, question, show

show(call("query", question()))
