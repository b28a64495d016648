-- What is due at a channel is found past what another channel keeps waiting, in the index alone.
create index attempt_to_ask_at on attempt (ask_at, channel) where ask_at is not null;
drop index attempt_to_ask;
