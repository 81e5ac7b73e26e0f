-- a checkpoint as version 3 of its layout left it, for test_checkpoint_version_3.py
BEGIN TRANSACTION;
CREATE TABLE bookings (
  id INTEGER NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL,
  event_id INTEGER NOT NULL,
  ticket_type_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  status INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  held_ms INTEGER NOT NULL DEFAULT 0,
  expires_ms INTEGER NOT NULL DEFAULT 0,
  pinned_ms INTEGER NOT NULL DEFAULT 0,
  warned INTEGER NOT NULL DEFAULT 0,
  line_number INTEGER NOT NULL DEFAULT 0,
  payment_id INTEGER NOT NULL DEFAULT 0,
  provider_reference TEXT,
  refunding_minor INTEGER NOT NULL DEFAULT 0,
  refunded_minor INTEGER NOT NULL DEFAULT 0,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  unsettled INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "bookings" VALUES(2,'ada',1,1,2,9980,9,14,1795086700001,1795086700001,0,0,0,0,1,'pi_1',1000,0,0,1);
INSERT INTO "bookings" VALUES(3,'ben',1,1,1,4990,3,23,1795086700001,1795086700001,1795087000001,1795087600001,0,0,2,NULL,0,0,0,1);
INSERT INTO "bookings" VALUES(4,'dan',1,1,1,4990,2,31,1795086700001,1795086700001,1795087000001,0,0,0,0,NULL,0,0,0,0);
INSERT INTO "bookings" VALUES(5,'cleo',1,1,1,4990,1,32,1795086700001,0,0,0,0,1,0,NULL,0,0,0,0);
INSERT INTO "bookings" VALUES(6,'dan',2,3,1,0,2,34,1795086700001,1795086700001,1795087000001,0,0,0,0,NULL,0,0,0,0);
CREATE TABLE concerns (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  reference TEXT NOT NULL,
  booking_id INTEGER NOT NULL,
  payment_id INTEGER NOT NULL,
  refund_id INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  closed_ms INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "concerns" VALUES('dispute:dp_1','dispute','dp_1',2,1,0,100,'EUR','Not me.',1795086700001,0);
CREATE TABLE counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL);
INSERT INTO "counters" VALUES('seq',39);
INSERT INTO "counters" VALUES('at_ms',1795086700001);
INSERT INTO "counters" VALUES('next_event_id',3);
INSERT INTO "counters" VALUES('next_ticket_type_id',4);
INSERT INTO "counters" VALUES('next_booking_id',7);
INSERT INTO "counters" VALUES('next_payment_id',3);
INSERT INTO "counters" VALUES('next_refund_id',2);
INSERT INTO "counters" VALUES('next_notice_id',10);
INSERT INTO "counters" VALUES('sync_standbys',1);
INSERT INTO "counters" VALUES('mail',1);
CREATE TABLE deliveries (
  id INTEGER NOT NULL PRIMARY KEY,
  channel INTEGER NOT NULL,
  notice_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  event_id INTEGER NOT NULL,
  booking_id INTEGER NOT NULL,
  ticket_type_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  detail TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER NOT NULL DEFAULT 0,
  dead INTEGER NOT NULL DEFAULT 0,
  failure TEXT
);
INSERT INTO "deliveries" VALUES(14,2,3,'held',1795086700001,'ada',1,2,1,2,0,'',1,1795086760001,0,'450 busy');
INSERT INTO "deliveries" VALUES(17,1,4,'confirmed',1795086700001,'ada',1,2,1,2,0,'',1,0,1,'550 no such mailbox');
INSERT INTO "deliveries" VALUES(18,2,4,'confirmed',1795086700001,'ada',1,2,1,2,0,'',0,0,0,NULL);
INSERT INTO "deliveries" VALUES(19,3,4,'confirmed',1795086700001,'ada',1,2,1,2,0,'',0,0,0,NULL);
INSERT INTO "deliveries" VALUES(31,3,7,'disputed',1795086700001,'ada',1,2,1,2,100,'Not me.',0,0,0,NULL);
CREATE TABLE entries (
  id INTEGER NOT NULL PRIMARY KEY,
  booking_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  place TEXT NOT NULL,
  by TEXT NOT NULL
);
INSERT INTO "entries" VALUES(131073,2,1,1795086700001,'Gate A','door-1');
CREATE TABLE epochs (
  epoch INTEGER NOT NULL PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  leader TEXT NOT NULL
);
INSERT INTO "epochs" VALUES(1,1,1795000000000,'n1');
INSERT INTO "epochs" VALUES(2,39,1795086700001,'n2');
CREATE TABLE events (
  id INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  starts_ms INTEGER NOT NULL,
  ends_ms INTEGER,
  venue TEXT NOT NULL,
  city TEXT NOT NULL,
  country TEXT NOT NULL,
  category TEXT NOT NULL,
  description TEXT NOT NULL,
  currency TEXT NOT NULL,
  on_sale_ms INTEGER,
  max_per_user INTEGER NOT NULL,
  max_holds_per_user INTEGER,
  waitlist INTEGER NOT NULL,
  cancelled INTEGER NOT NULL DEFAULT 0,
  closed INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL DEFAULT 0,
  booked INTEGER NOT NULL DEFAULT 0,
  webhook_url TEXT,
  webhook_disabled INTEGER NOT NULL DEFAULT 0,
  tell_below INTEGER NOT NULL DEFAULT 0,
  told INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "events" VALUES(1,'Long Shadows',1797592000000,NULL,'The Other Hall','','','','','EUR',NULL,10,NULL,1,0,0,1795000000000,1,'https://hall.example.org/hook',0,7,0);
INSERT INTO "events" VALUES(2,'Long Shadows',1797592000000,NULL,'','','','','','EUR',NULL,10,NULL,2,0,0,1795000000000,1,NULL,0,0,0);
CREATE TABLE idempotency_keys (
  place INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  fingerprint BLOB NOT NULL,
  reply BLOB NOT NULL,
  at_ms INTEGER NOT NULL
);
INSERT INTO "idempotency_keys" VALUES(1,X'6B312020202020202020202020202020',X'6B312020202020202020202020202020',X'9B010E02A361646101A85374616E64696E6702CD26FCA3455552CF000001A1F3814DE1CF000001A1F385E1C1',1795086700001);
INSERT INTO "idempotency_keys" VALUES(2,X'6B322020202020202020202020202020',X'6B322020202020202020202020202020',X'9A05150102CD03E8A3455552030900AE6163636F756E7420636C6F736564',1795086700001);
INSERT INTO "idempotency_keys" VALUES(3,X'6B332020202020202020202020202020',X'6B332020202020202020202020202020',X'9904180203CD137EA3455552C2C0CF000001A1F38F0981',1795086700001);
INSERT INTO "idempotency_keys" VALUES(4,X'6B342020202020202020202020202020',X'6B342020202020202020202020202020',X'9B022005A4636C656F01A85374616E64696E6701CD137EA3455552CF000001A1F3814DE101',1795086700001);
CREATE TABLE members (
  name TEXT NOT NULL PRIMARY KEY,
  node_id BLOB NOT NULL,
  voting INTEGER NOT NULL,
  replication TEXT NOT NULL,
  http TEXT NOT NULL,
  since_seq INTEGER NOT NULL
);
INSERT INTO "members" VALUES('n1',X'6E316E316E316E316E316E316E316E31',1,'n1:7000','http://n1:80',2);
INSERT INTO "members" VALUES('n2',X'6E326E326E326E326E326E326E326E32',1,'n2:7000','http://n2:80',4);
CREATE TABLE notifications (
  id INTEGER NOT NULL PRIMARY KEY,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  event_id INTEGER NOT NULL,
  booking_id INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL DEFAULT 0,
  detail TEXT NOT NULL DEFAULT ''
);
INSERT INTO "notifications" VALUES(1,10,1795000000000,'fay','held',1,1,0,'');
INSERT INTO "notifications" VALUES(2,12,1795000300001,'fay','lapsed',1,1,0,'');
INSERT INTO "notifications" VALUES(3,14,1795086700001,'ada','held',1,2,0,'');
INSERT INTO "notifications" VALUES(4,17,1795086700001,'ada','confirmed',1,2,0,'');
INSERT INTO "notifications" VALUES(5,23,1795086700001,'ben','held',1,3,0,'');
INSERT INTO "notifications" VALUES(6,27,1795086700001,'ben','payment_failed',1,3,4990,'');
INSERT INTO "notifications" VALUES(8,31,1795086700001,'dan','held',1,4,0,'');
INSERT INTO "notifications" VALUES(9,34,1795086700001,'dan','held',2,6,0,'');
CREATE TABLE past_bookings (
  id INTEGER NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL,
  event_id INTEGER NOT NULL,
  ticket_type_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  status INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  held_ms INTEGER NOT NULL DEFAULT 0,
  expires_ms INTEGER NOT NULL DEFAULT 0,
  pinned_ms INTEGER NOT NULL DEFAULT 0,
  warned INTEGER NOT NULL DEFAULT 0,
  line_number INTEGER NOT NULL DEFAULT 0,
  payment_id INTEGER NOT NULL DEFAULT 0,
  provider_reference TEXT,
  refunding_minor INTEGER NOT NULL DEFAULT 0,
  refunded_minor INTEGER NOT NULL DEFAULT 0,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  unsettled INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "past_bookings" VALUES(1,'fay',1,2,2,15800,5,10,1795000000000,1795000000000,0,0,0,0,0,NULL,0,0,1795000300001,0);
CREATE TABLE past_payments (
  id INTEGER NOT NULL PRIMARY KEY,
  booking_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status INTEGER NOT NULL,
  method TEXT,
  created_ms INTEGER NOT NULL,
  provider_reference TEXT,
  client_secret TEXT,
  failure TEXT,
  key BLOB,
  fingerprint BLOB,
  failure_detail TEXT NOT NULL DEFAULT '',
  answered INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "past_payments" VALUES(1,2,'ada',9980,'EUR',4,'pm_card_visa',1795086700001,'pi_1',NULL,NULL,NULL,NULL,'',0);
CREATE TABLE past_refunds (
  id INTEGER NOT NULL PRIMARY KEY,
  booking_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status INTEGER NOT NULL,
  reason TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  provider_reference TEXT,
  payment_reference TEXT,
  failure TEXT,
  key BLOB,
  fingerprint BLOB,
  payment_id INTEGER NOT NULL DEFAULT 0,
  surplus INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE payments (
  id INTEGER NOT NULL PRIMARY KEY,
  booking_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status INTEGER NOT NULL,
  method TEXT,
  created_ms INTEGER NOT NULL,
  provider_reference TEXT,
  client_secret TEXT,
  failure TEXT,
  key BLOB,
  fingerprint BLOB,
  failure_detail TEXT NOT NULL DEFAULT '',
  answered INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "payments" VALUES(2,3,'ben',4990,'EUR',3,'pm_card_visa',1795086700001,'pi_2','secret_2','expired_card',NULL,NULL,'',0);
CREATE TABLE position (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  schema_version INTEGER NOT NULL,  -- of the rows that state_hash is over
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,  -- the last fact of the journal that is in these tables
  at_ms INTEGER NOT NULL,
  chain_hash BLOB NOT NULL,  -- of the batch that ends there
  state_hash TEXT NOT NULL,
  journal_id BLOB NOT NULL,
  checksum BLOB NOT NULL  -- over this row and the counters
);
INSERT INTO "position" VALUES(1,3,1,39,1795086700001,X'5CF5A274B17B8C59BE4DC7D48EFE4A9C','74ca7d998e6e17fb1d8df4fd0d717f24',X'686973746F72792D686973746F72792D',X'51F71F0C8B6BC6FE62F99C266421A98E');
CREATE TABLE provider_events (
  place INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL
);
INSERT INTO "provider_events" VALUES(1,'evt_1',1795086700001);
INSERT INTO "provider_events" VALUES(2,'evt_2',1795086700001);
CREATE TABLE refunds (
  id INTEGER NOT NULL PRIMARY KEY,
  booking_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status INTEGER NOT NULL,
  reason TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  provider_reference TEXT,
  payment_reference TEXT,
  failure TEXT,
  key BLOB,
  fingerprint BLOB,
  payment_id INTEGER NOT NULL DEFAULT 0,
  surplus INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "refunds" VALUES(1,2,'ada',1000,'EUR',3,'requested',1795086700001,NULL,'pi_1','account closed',NULL,NULL,1,0,1);
CREATE TABLE secrets (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
);
INSERT INTO "secrets" VALUES('ticket_key',X'6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B6B');
CREATE TABLE ticket_types (
  id INTEGER NOT NULL PRIMARY KEY,
  event_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  price_minor INTEGER NOT NULL,
  capacity INTEGER NOT NULL,
  held INTEGER NOT NULL DEFAULT 0,
  sold INTEGER NOT NULL DEFAULT 0,
  waiting INTEGER NOT NULL DEFAULT 0,
  line_next INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "ticket_types" VALUES(1,1,'Standing',4990,4,2,2,1,2);
INSERT INTO "ticket_types" VALUES(2,1,'Seated',7900,2,0,0,0,1);
INSERT INTO "ticket_types" VALUES(3,2,'Free',0,5,1,0,0,1);
CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT,
  email TEXT,
  webhook_url TEXT,
  webhook_disabled INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "users" VALUES('ada','Ada','ada@example.org','https://ada.example.org/hook',1);
CREATE INDEX bookings_by_user_id ON bookings (user_id, id);
CREATE INDEX refunds_by_booking_id ON refunds (booking_id, id);
CREATE INDEX past_bookings_by_user_id ON past_bookings (user_id, id);
CREATE INDEX past_refunds_by_booking_id ON past_refunds (booking_id, id);
CREATE INDEX notifications_by_user_id ON notifications (user_id, id);
COMMIT;
PRAGMA user_version = 3;
