BEGIN TRANSACTION;
CREATE TABLE access_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
INSERT INTO "access_tokens" VALUES(X'E240FADB4DC901DA80422F98B3BD113DC0ADF6EABBF805434CD4533C55AC0609','@alice:a.test','ONE',1795953608773,NULL);
INSERT INTO "access_tokens" VALUES(X'81DBAD6A4B9CE8DB11F3BE99FC5D61E9F918DA59BFA80F08A2E9F54E0D12A209','@bob:a.test','TWO',1795953608816,NULL);
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    data_type TEXT NOT NULL,
    content TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, data_type)
);
INSERT INTO "account_data" VALUES('@alice:a.test','','m.push_rules','{"global":{"content":[],"override":[{"actions":[],"conditions":[],"default":true,"enabled":false,"rule_id":".m.rule.master"},{"actions":[],"conditions":[{"key":"content.msgtype","kind":"event_match","pattern":"m.notice"}],"default":true,"enabled":true,"rule_id":".m.rule.suppress_notices"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.member"},{"key":"content.membership","kind":"event_match","pattern":"invite"},{"key":"state_key","kind":"event_match","pattern":"@alice:a.test"}],"default":true,"enabled":true,"rule_id":".m.rule.invite_for_me"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.member"}],"default":true,"enabled":true,"rule_id":".m.rule.member_event"},{"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}],"conditions":[{"key":"content.m\\.mentions.user_ids","kind":"event_property_contains","value":"@alice:a.test"}],"default":true,"enabled":true,"rule_id":".m.rule.is_user_mention"},{"actions":["notify",{"set_tweak":"highlight"}],"conditions":[{"key":"content.m\\.mentions.room","kind":"event_property_is","value":true},{"key":"room","kind":"sender_notification_permission"}],"default":true,"enabled":true,"rule_id":".m.rule.is_room_mention"},{"actions":["notify",{"set_tweak":"highlight"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.tombstone"},{"key":"state_key","kind":"event_match","pattern":""}],"default":true,"enabled":true,"rule_id":".m.rule.tombstone"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.reaction"}],"default":true,"enabled":true,"rule_id":".m.rule.reaction"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.server_acl"},{"key":"state_key","kind":"event_match","pattern":""}],"default":true,"enabled":true,"rule_id":".m.rule.room.server_acl"},{"actions":[],"conditions":[{"key":"content.m\\.relates_to.rel_type","kind":"event_property_is","value":"m.replace"}],"default":true,"enabled":true,"rule_id":".m.rule.suppress_edits"}],"room":[],"sender":[],"underride":[{"actions":["notify",{"set_tweak":"sound","value":"ring"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.call.invite"}],"default":true,"enabled":true,"rule_id":".m.rule.call"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"is":"2","kind":"room_member_count"},{"key":"type","kind":"event_match","pattern":"m.room.encrypted"}],"default":true,"enabled":true,"rule_id":".m.rule.encrypted_room_one_to_one"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"is":"2","kind":"room_member_count"},{"key":"type","kind":"event_match","pattern":"m.room.message"}],"default":true,"enabled":true,"rule_id":".m.rule.room_one_to_one"},{"actions":["notify"],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.message"}],"default":true,"enabled":true,"rule_id":".m.rule.message"},{"actions":["notify"],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.encrypted"}],"default":true,"enabled":true,"rule_id":".m.rule.encrypted"}]}}',1);
INSERT INTO "account_data" VALUES('@bob:a.test','','m.push_rules','{"global":{"content":[],"override":[{"actions":[],"conditions":[],"default":true,"enabled":false,"rule_id":".m.rule.master"},{"actions":[],"conditions":[{"key":"content.msgtype","kind":"event_match","pattern":"m.notice"}],"default":true,"enabled":true,"rule_id":".m.rule.suppress_notices"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.member"},{"key":"content.membership","kind":"event_match","pattern":"invite"},{"key":"state_key","kind":"event_match","pattern":"@bob:a.test"}],"default":true,"enabled":true,"rule_id":".m.rule.invite_for_me"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.member"}],"default":true,"enabled":true,"rule_id":".m.rule.member_event"},{"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}],"conditions":[{"key":"content.m\\.mentions.user_ids","kind":"event_property_contains","value":"@bob:a.test"}],"default":true,"enabled":true,"rule_id":".m.rule.is_user_mention"},{"actions":["notify",{"set_tweak":"highlight"}],"conditions":[{"key":"content.m\\.mentions.room","kind":"event_property_is","value":true},{"key":"room","kind":"sender_notification_permission"}],"default":true,"enabled":true,"rule_id":".m.rule.is_room_mention"},{"actions":["notify",{"set_tweak":"highlight"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.tombstone"},{"key":"state_key","kind":"event_match","pattern":""}],"default":true,"enabled":true,"rule_id":".m.rule.tombstone"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.reaction"}],"default":true,"enabled":true,"rule_id":".m.rule.reaction"},{"actions":[],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.server_acl"},{"key":"state_key","kind":"event_match","pattern":""}],"default":true,"enabled":true,"rule_id":".m.rule.room.server_acl"},{"actions":[],"conditions":[{"key":"content.m\\.relates_to.rel_type","kind":"event_property_is","value":"m.replace"}],"default":true,"enabled":true,"rule_id":".m.rule.suppress_edits"}],"room":[],"sender":[],"underride":[{"actions":["notify",{"set_tweak":"sound","value":"ring"}],"conditions":[{"key":"type","kind":"event_match","pattern":"m.call.invite"}],"default":true,"enabled":true,"rule_id":".m.rule.call"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"is":"2","kind":"room_member_count"},{"key":"type","kind":"event_match","pattern":"m.room.encrypted"}],"default":true,"enabled":true,"rule_id":".m.rule.encrypted_room_one_to_one"},{"actions":["notify",{"set_tweak":"sound","value":"default"}],"conditions":[{"is":"2","kind":"room_member_count"},{"key":"type","kind":"event_match","pattern":"m.room.message"}],"default":true,"enabled":true,"rule_id":".m.rule.room_one_to_one"},{"actions":["notify"],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.message"}],"default":true,"enabled":true,"rule_id":".m.rule.message"},{"actions":["notify"],"conditions":[{"key":"type","kind":"event_match","pattern":"m.room.encrypted"}],"default":true,"enabled":true,"rule_id":".m.rule.encrypted"}]}}',2);
INSERT INTO "account_data" VALUES('@alice:a.test','!hvYazyPYYoUAc0DiFN:a.test','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',3);
INSERT INTO "account_data" VALUES('@alice:a.test','!IlbYC2r3MyUlDsGdp5:a.test','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',4);
INSERT INTO "account_data" VALUES('@alice:a.test','!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',5);
INSERT INTO "account_data" VALUES('@alice:a.test','','org.test','{"kept":true}',6);
CREATE TABLE accounts (
    user_id TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT,
    is_admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT
);
INSERT INTO "accounts" VALUES('@alice:a.test','$argon2id$v=19$m=19456,t=2,p=1$4q597oRdGepnArf2Jo4iVg$FjeNaFAIwb5D3Lm4O5yc9WgFcMuzAjg+mLNtTR20xos',0,1795953608773,NULL);
INSERT INTO "accounts" VALUES('@bob:a.test','$argon2id$v=19$m=19456,t=2,p=1$bbHLaqv/586mO7nybXzQhg$WfLpE26xF47E00AxYnM5VDxDTsdQSrZlguQwhAdb/2s',0,1795953608816,NULL);
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL
);
CREATE TABLE auth_edges (
    event BIGINT NOT NULL,
    room BIGINT NOT NULL,
    auth BIGINT NOT NULL,
    PRIMARY KEY (event, auth)
) WITHOUT ROWID;
INSERT INTO "auth_edges" VALUES(2,1,1);
INSERT INTO "auth_edges" VALUES(3,1,1);
INSERT INTO "auth_edges" VALUES(3,1,2);
INSERT INTO "auth_edges" VALUES(4,1,1);
INSERT INTO "auth_edges" VALUES(4,1,2);
INSERT INTO "auth_edges" VALUES(4,1,3);
INSERT INTO "auth_edges" VALUES(5,1,1);
INSERT INTO "auth_edges" VALUES(5,1,2);
INSERT INTO "auth_edges" VALUES(5,1,3);
INSERT INTO "auth_edges" VALUES(6,1,1);
INSERT INTO "auth_edges" VALUES(6,1,2);
INSERT INTO "auth_edges" VALUES(6,1,3);
INSERT INTO "auth_edges" VALUES(7,1,1);
INSERT INTO "auth_edges" VALUES(7,1,2);
INSERT INTO "auth_edges" VALUES(7,1,3);
INSERT INTO "auth_edges" VALUES(8,1,1);
INSERT INTO "auth_edges" VALUES(8,1,3);
INSERT INTO "auth_edges" VALUES(8,1,4);
INSERT INTO "auth_edges" VALUES(9,1,1);
INSERT INTO "auth_edges" VALUES(9,1,2);
INSERT INTO "auth_edges" VALUES(9,1,3);
INSERT INTO "auth_edges" VALUES(10,1,1);
INSERT INTO "auth_edges" VALUES(10,1,3);
INSERT INTO "auth_edges" VALUES(10,1,8);
INSERT INTO "auth_edges" VALUES(11,1,1);
INSERT INTO "auth_edges" VALUES(11,1,2);
INSERT INTO "auth_edges" VALUES(11,1,3);
INSERT INTO "auth_edges" VALUES(12,1,1);
INSERT INTO "auth_edges" VALUES(12,1,3);
INSERT INTO "auth_edges" VALUES(12,1,8);
INSERT INTO "auth_edges" VALUES(13,1,1);
INSERT INTO "auth_edges" VALUES(13,1,2);
INSERT INTO "auth_edges" VALUES(13,1,3);
INSERT INTO "auth_edges" VALUES(14,1,1);
INSERT INTO "auth_edges" VALUES(14,1,2);
INSERT INTO "auth_edges" VALUES(14,1,3);
INSERT INTO "auth_edges" VALUES(16,2,15);
INSERT INTO "auth_edges" VALUES(17,2,15);
INSERT INTO "auth_edges" VALUES(17,2,16);
INSERT INTO "auth_edges" VALUES(18,2,15);
INSERT INTO "auth_edges" VALUES(18,2,16);
INSERT INTO "auth_edges" VALUES(18,2,17);
INSERT INTO "auth_edges" VALUES(19,2,15);
INSERT INTO "auth_edges" VALUES(19,2,16);
INSERT INTO "auth_edges" VALUES(19,2,17);
INSERT INTO "auth_edges" VALUES(20,2,15);
INSERT INTO "auth_edges" VALUES(20,2,16);
INSERT INTO "auth_edges" VALUES(20,2,17);
INSERT INTO "auth_edges" VALUES(21,2,15);
INSERT INTO "auth_edges" VALUES(21,2,16);
INSERT INTO "auth_edges" VALUES(21,2,17);
INSERT INTO "auth_edges" VALUES(22,2,15);
INSERT INTO "auth_edges" VALUES(22,2,17);
INSERT INTO "auth_edges" VALUES(22,2,18);
INSERT INTO "auth_edges" VALUES(23,2,15);
INSERT INTO "auth_edges" VALUES(23,2,16);
INSERT INTO "auth_edges" VALUES(23,2,17);
INSERT INTO "auth_edges" VALUES(24,2,15);
INSERT INTO "auth_edges" VALUES(24,2,17);
INSERT INTO "auth_edges" VALUES(24,2,22);
INSERT INTO "auth_edges" VALUES(25,2,15);
INSERT INTO "auth_edges" VALUES(25,2,16);
INSERT INTO "auth_edges" VALUES(25,2,17);
INSERT INTO "auth_edges" VALUES(26,2,15);
INSERT INTO "auth_edges" VALUES(26,2,17);
INSERT INTO "auth_edges" VALUES(26,2,22);
INSERT INTO "auth_edges" VALUES(27,2,15);
INSERT INTO "auth_edges" VALUES(27,2,16);
INSERT INTO "auth_edges" VALUES(27,2,17);
INSERT INTO "auth_edges" VALUES(28,2,15);
INSERT INTO "auth_edges" VALUES(28,2,16);
INSERT INTO "auth_edges" VALUES(28,2,17);
INSERT INTO "auth_edges" VALUES(29,2,15);
INSERT INTO "auth_edges" VALUES(29,2,17);
INSERT INTO "auth_edges" VALUES(29,2,22);
INSERT INTO "auth_edges" VALUES(32,3,31);
INSERT INTO "auth_edges" VALUES(33,3,31);
INSERT INTO "auth_edges" VALUES(33,3,32);
INSERT INTO "auth_edges" VALUES(34,3,31);
INSERT INTO "auth_edges" VALUES(34,3,32);
INSERT INTO "auth_edges" VALUES(35,3,31);
INSERT INTO "auth_edges" VALUES(35,3,32);
INSERT INTO "auth_edges" VALUES(36,3,31);
INSERT INTO "auth_edges" VALUES(36,3,32);
INSERT INTO "auth_edges" VALUES(37,3,32);
INSERT INTO "auth_edges" VALUES(37,3,33);
INSERT INTO "auth_edges" VALUES(38,3,31);
INSERT INTO "auth_edges" VALUES(38,3,32);
INSERT INTO "auth_edges" VALUES(39,3,32);
INSERT INTO "auth_edges" VALUES(39,3,37);
INSERT INTO "auth_edges" VALUES(40,3,31);
INSERT INTO "auth_edges" VALUES(40,3,32);
INSERT INTO "auth_edges" VALUES(41,3,32);
INSERT INTO "auth_edges" VALUES(41,3,37);
INSERT INTO "auth_edges" VALUES(42,3,31);
INSERT INTO "auth_edges" VALUES(42,3,32);
INSERT INTO "auth_edges" VALUES(43,3,31);
INSERT INTO "auth_edges" VALUES(43,3,32);
CREATE TABLE backed_up_keys (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    is_verified BIGINT NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (user_id, version, room_id, session_id)
);
CREATE TABLE bodies (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    sender TEXT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    mangled BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    redacted_by BIGINT,
    json TEXT NOT NULL
);
INSERT INTO "bodies" VALUES(1,1,'m.room.create','','@alice:a.test',1795953608822,0,0,NULL,'{"auth_events":[],"content":{"creator":"@alice:a.test","room_version":"1"},"depth":1,"event_id":"$uVhAk363FAsySjI2yvIC4n:a.test","hashes":{"sha256":"+EBxkjw5eUXzTNJJprYLJNPJ2g4SpqoDuBO9nx0vvFo"},"origin_server_ts":1795953608822,"prev_events":[],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"wjbC4eSIHALpUljV4U+PMMaLzSgQ9bHJrkpAXSfkzwBiQsrT0nDJ7mDYd0njQnfUcbRIkSaX6Gqge/eSPWFPDw"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(2,1,'m.room.member','@alice:a.test','@alice:a.test',1795953608822,0,0,NULL,'{"auth_events":[["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"displayname":"alice","membership":"join"},"depth":2,"event_id":"$zqyl3TJNVxslzXIe2YMJaP:a.test","hashes":{"sha256":"g2iEYIxdz1BeLG2pb3ZEZ+cethfBSOTIqOIFN7A7O6w"},"origin_server_ts":1795953608822,"prev_events":[["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"d9AVQ4yV+qw560ibYbdWbIZHs3ZpL3N3XPdKTlcDx+XLLlnJmkwHDLcpgRmxnLz90vYja5hYgJLT9g3gL8KnCw"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(3,1,'m.room.power_levels','','@alice:a.test',1795953608823,0,0,NULL,'{"auth_events":[["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":100},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{"@alice:a.test":100},"users_default":0},"depth":3,"event_id":"$NZGtYVDv1x81wd8L31czQy:a.test","hashes":{"sha256":"BPsf3W3zL8XFEuLAze/g1rekq67WXqQS9vPogeKdNb0"},"origin_server_ts":1795953608823,"prev_events":[["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"IsyZYiUpkT5nFogVAGI8jfSTq8qBikl6sx9jXyaLwi0D7uorLsHgGKCnjhb9dUlETRV865Ve/+6ZhZ2nq5jmCA"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(4,1,'m.room.join_rules','','@alice:a.test',1795953608823,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"join_rule":"public"},"depth":4,"event_id":"$MWFkMQZBVLYkmxA6exDX0x:a.test","hashes":{"sha256":"XPmPb82a6LPcCY0e733gq/Ji3rgwBn1r23rhMI4+frs"},"origin_server_ts":1795953608823,"prev_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Y+Q64Q1hAZxYG6l04p/MbydDkc7l/SBGk8QHLom13iBx7WsjalA7WGgfG2PYlZOnQWvw1ndgqZ215Kw3yg/EBw"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(5,1,'m.room.history_visibility','','@alice:a.test',1795953608823,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"history_visibility":"shared"},"depth":5,"event_id":"$Eu5ZcSrQWnesyOPGqNKW8O:a.test","hashes":{"sha256":"F5DWhLthL46BU3Ch5H0qEqz+iiSdKHfwKyqJLv1hfhU"},"origin_server_ts":1795953608823,"prev_events":[["$MWFkMQZBVLYkmxA6exDX0x:a.test",{"sha256":"HEFbisOi2BsnT4dECaBzGHgvKFDWvU1qJPmOkyh3hDQ"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"wX3U1yfKGCw4OvPIsdVsFaXbMFkSwORuEtz9QAM+JHeauuevSBMJxMCmEtqLYIINCUHejMScrBFShyTvFFJyBw"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(6,1,'m.room.name','','@alice:a.test',1795953608823,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"name":"room of version 1"},"depth":6,"event_id":"$Aosf2WTIH8aqQ0eXLUAjOQ:a.test","hashes":{"sha256":"O3ACXbXh1INTCCt9J9iGnuVuJH6YNKfWj9U5Q22m4zM"},"origin_server_ts":1795953608823,"prev_events":[["$Eu5ZcSrQWnesyOPGqNKW8O:a.test",{"sha256":"Jm21kEO+YXxmhVmJFQnI5uXR+/eZbfSV5LFkTLvVLwI"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Nu9GVaIF89nuQGKKj37RsU5C06Vl7VFdYNv/97eWJX+ArUpCrFfLOpSHkzVli+3mYlncuDAUBy7EjYOCzq51DQ"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(7,1,'m.room.topic','','@alice:a.test',1795953608823,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"m.topic":{"m.text":[{"body":"of version 1"}]},"topic":"of version 1"},"depth":7,"event_id":"$r5PIGg3Uxx2QMDYiGmBNKW:a.test","hashes":{"sha256":"TUZa15HisRcbgg7Fcf9Ks9yQSLA8CBtji3bnE/XA8H0"},"origin_server_ts":1795953608823,"prev_events":[["$Aosf2WTIH8aqQ0eXLUAjOQ:a.test",{"sha256":"kTpRNMFyVqt0HshzQ0VZWvxUfC+2yKu3zb9B479Ac+Q"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"A49hE4doMOHfRchg3oEGXWs2pFvRU5y59FjceTgnm/UCVvx3cEpbwSdJePrtFR1G+0m2SfskTWwy/zY4uBByAQ"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(8,1,'m.room.member','@bob:a.test','@bob:a.test',1795953608828,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}],["$MWFkMQZBVLYkmxA6exDX0x:a.test",{"sha256":"HEFbisOi2BsnT4dECaBzGHgvKFDWvU1qJPmOkyh3hDQ"}]],"content":{"displayname":"bob","membership":"join"},"depth":8,"event_id":"$bcmBvlrSwneCmin6kEhB66:a.test","hashes":{"sha256":"t2sJgzdwDHB3xhRDzV3c1ZbmpgJOY6k/MgkyTQcTfTE"},"origin_server_ts":1795953608828,"prev_events":[["$r5PIGg3Uxx2QMDYiGmBNKW:a.test",{"sha256":"Zk3ylaWVhMNNhvXOgrsDQScl5fUl5dhSEVDNy+rQUnE"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"v304cJNRBk13ToSzZLtPqDF0JXZdAPJJHj0czjSP9zds0dlBMmp1Sm4ZysCQf7twESmQIKr2y+Yv0cWxHFx8Ag"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(9,1,'m.room.message',NULL,'@alice:a.test',1795953608832,0,0,14,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"event_id":"$LnUXHjwDxYA1cKjSDDn1wp:a.test","hashes":{"sha256":"gVso1wh/ZHGZiYm0jH+i3d651hdaQwDOGGZtcjw4ABw"},"origin_server_ts":1795953608832,"prev_events":[["$bcmBvlrSwneCmin6kEhB66:a.test",{"sha256":"Rmw4dE3VjtjT/ywljuh7k3mN+lGS43U/Rak8jozjUSE"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Ig5lPZ+NSXMUlweepZ3CRKptE+B/HzvpvT2tqG3DhM9kTaTQXB1p2Q13T8M0D/tK1niRokVz1igL0jWybr/pCg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(10,1,'m.room.message',NULL,'@bob:a.test',1795953608835,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$bcmBvlrSwneCmin6kEhB66:a.test",{"sha256":"Rmw4dE3VjtjT/ywljuh7k3mN+lGS43U/Rak8jozjUSE"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"event_id":"$sGfapNnyY9pZNYUQTuXVru:a.test","hashes":{"sha256":"aDeflEcF0xvQbdTnggWMx0h0uLPA3jNmUg5FgPuSE2w"},"origin_server_ts":1795953608835,"prev_events":[["$LnUXHjwDxYA1cKjSDDn1wp:a.test",{"sha256":"aprLt2+8aVh8qfAbWEmrAhMCQOEJ18Xa/y4YnWp2PWQ"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"wepAWUpXlS2O286YeTmdE5XHod5lQnaZeM8nLRj/WvWDKWn1m7C026D+tmSp/kcjwEEoBCMr1XdgFZFQJKHsBg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(11,1,'m.room.message',NULL,'@alice:a.test',1795953608838,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"event_id":"$aDxPEplVPEE9qVux3DYSj4:a.test","hashes":{"sha256":"HhrhgwZaTUgI9VL4Fz/d/oW7cSbivT8j3OQvxapfWjY"},"origin_server_ts":1795953608838,"prev_events":[["$sGfapNnyY9pZNYUQTuXVru:a.test",{"sha256":"CEYnm/eBM4DxNZBOByMTpCD2jzFd713VbI4F0t96L2c"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"BWHxA4+yZLEL28DRA3wowsD1f22xidorNSRk3CEKC4F1rEYoAuFjDRAb77PxmraHLJCY+LtAnCcGzt9Q1ZoxBA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(12,1,'m.room.message',NULL,'@bob:a.test',1795953608840,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$bcmBvlrSwneCmin6kEhB66:a.test",{"sha256":"Rmw4dE3VjtjT/ywljuh7k3mN+lGS43U/Rak8jozjUSE"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"event_id":"$10eLx2TUll3P89saSS1uyl:a.test","hashes":{"sha256":"aCJREDqFB9YCAK8bNmlxJsR60ey5mqBJ2T75FuCBqAk"},"origin_server_ts":1795953608840,"prev_events":[["$aDxPEplVPEE9qVux3DYSj4:a.test",{"sha256":"RaxPQuzGXWSpiDzD2u25UavCIanWH4/H2WXezvxLNsA"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"rvDi077IuZen+P38Vx0RPGvJS+EQ6DHwNxP3kiuBUVUPtU/VW7cUrIRca7uAgWkKYFJJZV48pyJ7re2YRDROCA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(13,1,'m.room.message',NULL,'@alice:a.test',1795953608842,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"event_id":"$TCzotcY8TGZscOTGaSgiYO:a.test","hashes":{"sha256":"AWkg4xbijpZhF4n0jIqrystOdfoR3BtGUeQUWmWHYOI"},"origin_server_ts":1795953608842,"prev_events":[["$10eLx2TUll3P89saSS1uyl:a.test",{"sha256":"raSo8mO/goRXLgyIVbANxrBbGG2O0HE9s+VHeUeP5OM"}]],"room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"OLA9tD6FyfHCKuIj/nn848GplyKxcLkH5nOgxSzbEBnosZP1C92QenCa9tMM30RpnvMLCUWQ1/jlO/Rl+10vCQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(14,1,'m.room.redaction',NULL,'@alice:a.test',1795953608844,0,0,NULL,'{"auth_events":[["$NZGtYVDv1x81wd8L31czQy:a.test",{"sha256":"nzY+TRSYcLQCDwugW67Sg//oge9OeIwvCm9xQapICok"}],["$zqyl3TJNVxslzXIe2YMJaP:a.test",{"sha256":"ZikrAMrbBoX2RyrDIkdRL5/C8g7pUS4QvYICYsKtQy4"}],["$uVhAk363FAsySjI2yvIC4n:a.test",{"sha256":"oVShlF6tkC39EauP313/ZE67BJ4A8AL1NU/T/qiwJpg"}]],"content":{"reason":"wrong"},"depth":14,"event_id":"$80O96Z4x9PGgt8TyiAigFZ:a.test","hashes":{"sha256":"6UzlObIoEoIfKyTM8sPjYnROa6yMdylEjwO3fL/3TH8"},"origin_server_ts":1795953608844,"prev_events":[["$TCzotcY8TGZscOTGaSgiYO:a.test",{"sha256":"5c4RRxWhq7BN75tHpF2br8jG8PWXA5e/ibO1fQz9w0w"}]],"redacts":"$LnUXHjwDxYA1cKjSDDn1wp:a.test","room_id":"!hvYazyPYYoUAc0DiFN:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"rjUfoLsCkpTBqICWlD/ML3kEypyoG5o2Vcix36vJk+zcdQO6UHaTiRzh9DrfZAJt7/OIPMzBalcaKxJZOocWDw"}},"type":"m.room.redaction"}');
INSERT INTO "bodies" VALUES(15,2,'m.room.create','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":[],"content":{"creator":"@alice:a.test","room_version":"6"},"depth":1,"hashes":{"sha256":"LcUYX/Mx/k9v2H0zurDx0+iFphOXF4tF5eF9VhMqvUo"},"origin_server_ts":1795953608849,"prev_events":[],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"OgDLjGKGeT1NgaOZmPRMnsCfE2JHI5ocFtkdv8tasKIJH4pEDOZVV5uv8vVipS8UmUIEMOhkWlLW24+pYvnjAA"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(16,2,'m.room.member','@alice:a.test','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"displayname":"alice","membership":"join"},"depth":2,"hashes":{"sha256":"iNJw98u6iDIkyK4zA1l2ksapcDiMh4Rki6txaqF2V6E"},"origin_server_ts":1795953608849,"prev_events":["$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"VSqr4pm2nRqcCRJf6+mm2BPijoiGIgkMOv8f2pIxyiJG7PRaaGsQ8SUVv4cxNciIgPzXiaJ3+4y8GyVnQpPPAw"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(17,2,'m.room.power_levels','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":100},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{"@alice:a.test":100},"users_default":0},"depth":3,"hashes":{"sha256":"EXfLbrdKNVsSaeCLDAPozbPJLIt6N600H9gyIIzW9Hc"},"origin_server_ts":1795953608849,"prev_events":["$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"+ijTjKEhfmjBU3lxr8gcoSsurYShbG/5YjKbYLBUW2c5wiGGCd4fIuyLEMTzfIpYKklB4YGWOa4O/CPZaDPWDw"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(18,2,'m.room.join_rules','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"join_rule":"public"},"depth":4,"hashes":{"sha256":"eYmoGspE9t8kciRr+YOwCdki1aRHwHpSSZQMjeqbbVg"},"origin_server_ts":1795953608849,"prev_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"BuP4dDRsLR1fTomKwZfHXA2IClep7Cj+NoqPYy7aobTP6uiwgJYV/ciYCghFebhFdkaRWmJHJUADM+mtAPN6DA"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(19,2,'m.room.history_visibility','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"history_visibility":"shared"},"depth":5,"hashes":{"sha256":"NqmEhJLTMY8O9aCecWbYueU0imZJLTzliZI0Chq4oMQ"},"origin_server_ts":1795953608849,"prev_events":["$KeDxVKBeIfu-rfad2Ndcbl4YlUJTFzAY99TUx0xBiiw"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"1N6LiTJ32SCmmbWuRH1Z1WyPIJQhdq36fiau2+dMAPe0ISeMsVzMKwp+02HAz+ZLoRABVNh1c34NPwamHR/hCg"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(20,2,'m.room.name','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"name":"room of version 6"},"depth":6,"hashes":{"sha256":"wW3/NTZlwpN9ew7TYLBUXVOKlevYA25ZRzPYZRio0L4"},"origin_server_ts":1795953608849,"prev_events":["$Ee8gRWCZCjJiwHgEZNBSUmfKvSan4tGCE2nE3b2Mh_E"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"kcUBJ0rOT2x7kRZZH7jG5nbhMKbpoDIAhhE5Z5QHx+iJqNhrX9i2Iya5iGM8l0sx+6NHmlMf2clvZ7myerKDDA"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(21,2,'m.room.topic','','@alice:a.test',1795953608849,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"m.topic":{"m.text":[{"body":"of version 6"}]},"topic":"of version 6"},"depth":7,"hashes":{"sha256":"VZp5cKfOEL6+j/RskmJKxqdhTCzTM4NVoc0beg0TovE"},"origin_server_ts":1795953608849,"prev_events":["$THf-9wBcXHJEuUEg0MbkghL-CUtMuIWjVvoDlZ8fGJY"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"HBm1AxxynzEMI3VRGTjALO/N3/sRKDHDNGZ4dUPoYCMQcA9DfNvl7t81vmQDWPpvdXRk6bu6GQdEvYAtplyjCg"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(22,2,'m.room.member','@bob:a.test','@bob:a.test',1795953608852,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U","$KeDxVKBeIfu-rfad2Ndcbl4YlUJTFzAY99TUx0xBiiw"],"content":{"displayname":"bob","membership":"join"},"depth":8,"hashes":{"sha256":"+8rrl6U/CPTDqJh447BooTifkklf2HrTolr7vtukYi8"},"origin_server_ts":1795953608852,"prev_events":["$diPl6B9UAHIsl4hSVRjPpkLfqBXuli0UU0VUaw2Bld8"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"WvJEhEYwWocB9eIjgROkkTTN98O9HQHKAhvtiTw4FRWzNrks6pWOnILcwxKSDlJw/20zO+hf890ChY/JzQj5CA"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(23,2,'m.room.message',NULL,'@alice:a.test',1795953608854,0,0,28,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"hashes":{"sha256":"Rs1RMZtPbE4Djof/MI7khmlq4KypsYG+Bp5BsKnap2U"},"origin_server_ts":1795953608854,"prev_events":["$sChc8wRGVcF4avBmFKQNqtsiiLBYwkuoYy7FeuiftOc"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"XpW1lFZj4niB11LSb0ZZCdYGJpc2MpMLG3Izr1KvGddJY6rpdJvGDwtW5qyawlMwcdjzgpNk2gzEACQgu4hIAA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(24,2,'m.room.message',NULL,'@bob:a.test',1795953608856,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$sChc8wRGVcF4avBmFKQNqtsiiLBYwkuoYy7FeuiftOc","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"hashes":{"sha256":"781N/Y9SPr8hBAvKiXBg+Z86fAd3Ov3cyLLbJHQEi1s"},"origin_server_ts":1795953608856,"prev_events":["$mPklnsMaZdAjxJApXiRT4vonBPFayPa-oCsVymxkKF8"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Lh1eLWdKiB/X1gO/IL42Ect09N0MddLqijF1BYFnhTRL5i6ohKwoIQOrFh45+IZ37IhDjV5vICGIttCQ5v8LBQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(25,2,'m.room.message',NULL,'@alice:a.test',1795953608858,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"hashes":{"sha256":"mPF85fz79FXyoPO9PfM9JXAHcRFI/rcTry5ULJ/EU6g"},"origin_server_ts":1795953608858,"prev_events":["$86yBmscNRFhYBfwMrzyibn_I3IYnuNIKUwNVvW8eVUA"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"nHVRZ4vSbQE+vSaA79CTA1m9DYf0RoRfMvVK4Isq/+CQ4H4X+zFt4ozrFmj9iu6aMYN0XUZH4tujBZScLcpzCA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(26,2,'m.room.message',NULL,'@bob:a.test',1795953608865,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$sChc8wRGVcF4avBmFKQNqtsiiLBYwkuoYy7FeuiftOc","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"hashes":{"sha256":"6D/+4mzDa5cx/S3AaAxnscZ51kwkRYvch7ncz4JAzqg"},"origin_server_ts":1795953608865,"prev_events":["$4uVge0SluT06DO1X07az2x-0pAvqPJvWBvoTtks4sz8"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"azfBoXZRA292UCiTElmK6Y5qWdVtMsRt2Q9vexH+RaueW3DVaozpkxy5rQOHnIgzhr5LMMBbQOMMcn2eDeWRBg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(27,2,'m.room.message',NULL,'@alice:a.test',1795953608870,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"hashes":{"sha256":"JB8vCMJR1tDWqD+mWDclnMZ+spf+V+vygaEe0uqEhR4"},"origin_server_ts":1795953608870,"prev_events":["$HWegd09G0RiIa1zKkhI1SILufsj38NrIlXie9z-ER0g"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"GQA8HNe/w+DiVYe1uSjqio3PU7roAnInzH/Evz9h0BFBbPO4Gz9X7U6nebt64WcEbMPXBuN3HFfKuURSNu8+Ag"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(28,2,'m.room.redaction',NULL,'@alice:a.test',1795953608873,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"reason":"wrong"},"depth":14,"hashes":{"sha256":"r+q7mwbiJ5hyuAPJBJ4d22fCyviu8/oUCHigw0yvcpw"},"origin_server_ts":1795953608873,"prev_events":["$AbBe04sQFJLr5gHLMewuUqPSYvMzkfmijHgzh_S3tso"],"redacts":"$mPklnsMaZdAjxJApXiRT4vonBPFayPa-oCsVymxkKF8","room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"35CniI3w+H8FZKJtLOzpHH1CmNT0cZkNOVYQz6fOg6B7H/3ZQpUslDNAqwkAGp0hyqEJyr3pBASkij8NM2tnBg"}},"type":"m.room.redaction"}');
INSERT INTO "bodies" VALUES(29,2,'m.room.member','@bob:a.test','@bob:a.test',1795953608880,0,0,NULL,'{"auth_events":["$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA","$sChc8wRGVcF4avBmFKQNqtsiiLBYwkuoYy7FeuiftOc","$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U"],"content":{"membership":"leave"},"depth":15,"hashes":{"sha256":"HV2qRwJgULeX25YDy8d1aBqzc9w1almWVAA96IjMeWY"},"origin_server_ts":1795953608880,"prev_events":["$slBAGQPCTmLRR4OqD56HyeDQKTvRb836MVYwvSQkvTE"],"room_id":"!IlbYC2r3MyUlDsGdp5:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"RVXaIy30e4CanUCuvcBza9n5j8tAFtXebmjipIy7metBHNPv/MefpQ+SIVKZvNWyIlGc6hCM4DevwypFOIXDAA"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(30,3,'m.room.create','','@alice:a.test',1795953608882,0,0,NULL,'{"auth_events":[],"content":{"room_version":"12"},"depth":1,"hashes":{"sha256":"ns+zHaE7yNazk6ojkxXj1SJQ9wSHHfN46krOXvPvoSs"},"origin_server_ts":1795953608882,"prev_events":[],"sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"AG1AVQbZgQ6uEPlkts+wmzcl+LWwM9Eo3ubHCgKg1SQg5uFwNz6kc5gsPCcvKheb4+UFHthIb93cfi2ZoKVjAw"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(31,3,'m.room.member','@alice:a.test','@alice:a.test',1795953608882,0,0,NULL,'{"auth_events":[],"content":{"displayname":"alice","membership":"join"},"depth":2,"hashes":{"sha256":"ackxF+S5Nr2GaJzy4NRcmvKt6Vx8o2OOkHefdIT0AFc"},"origin_server_ts":1795953608882,"prev_events":["$OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"g/jl3jJX+7r0MiXpWozRFEYkbBmEd9PpjIV2hqrRAaAGR5FdyZCrXhe5UDcL/1Yj4IADu3MgpjRx3kJMF3fECw"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(32,3,'m.room.power_levels','','@alice:a.test',1795953608883,0,0,NULL,'{"auth_events":["$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":150},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{},"users_default":0},"depth":3,"hashes":{"sha256":"KJTaz1nI1V4R51bjQsZI4mz7LDQLCy/sfWyBz9gIsws"},"origin_server_ts":1795953608883,"prev_events":["$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Zz6WjSMTGtjqRLJkRLp9QpnPLaGx8L+NQNlb6OT5HxuZ+S1VMhSNcUPOoA8tQ7evPG8gpP3IYqytSVqvL0xyBA"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(33,3,'m.room.join_rules','','@alice:a.test',1795953608883,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"join_rule":"public"},"depth":4,"hashes":{"sha256":"5CQk7O/Uo/RyhhXAidDYG+zl2qkrYfD7Vtv8bk8Dy+k"},"origin_server_ts":1795953608883,"prev_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"K3KrejGfr+Q24JLJK/ASYFWIG7Eh5lJpn7Uc6qc5nl7WGq44Xztit7ETP+evkkFn8St1ktIN2ChE0yQ14KHVBQ"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(34,3,'m.room.history_visibility','','@alice:a.test',1795953608883,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"history_visibility":"shared"},"depth":5,"hashes":{"sha256":"aqlnDBiFUmHauuQoaDG2xHtX8uoIv/cvKoMEgiNQ7SA"},"origin_server_ts":1795953608883,"prev_events":["$wRD0vq7UUs9Oj5-LBSFsh2fN3vc7EJQ-_cke8I50cfE"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Hu5+7mEoWCKrTIdTWUM7ZTDlTQ7c2nNf6jJRk9qFBhkyjOP32cNIAeGmxg6JUn0y4vngDhWvGVIoRK5KDDMLBg"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(35,3,'m.room.name','','@alice:a.test',1795953608883,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"name":"room of version 12"},"depth":6,"hashes":{"sha256":"Ia+c1UFbosdc8Pnsf59j4zzvV2Lq8tTeOcx7SBTalpc"},"origin_server_ts":1795953608883,"prev_events":["$ZnLnbjDTc-04umFun0SUHgLD-WvRMM9X7f-4bKnwL2E"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Gffrx2qRCF+c4HmKI1PpE53GyBVvlWwhTxl3TJKXTrM7KV5mf9x1ewCYiWlF8dhxrHl4d8N7HdomO6C5LGGFDw"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(36,3,'m.room.topic','','@alice:a.test',1795953608883,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"m.topic":{"m.text":[{"body":"of version 12"}]},"topic":"of version 12"},"depth":7,"hashes":{"sha256":"fsN/TXm1xj4uHIYL8EBBRX8hfZIRG9zFzsNzsyR3caY"},"origin_server_ts":1795953608883,"prev_events":["$sVaDjVamsKzl6-KXZOmt3N2l0OjvdDJV_QPZ1GuCuNg"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"O1EHNCMh6g0BreZzwum3QRwynBmElbiTXYEZzzEuWrECB3/GXLL4H7MaYzIavs9ICdS2N5j/LN7l0lVqqGTYBQ"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(37,3,'m.room.member','@bob:a.test','@bob:a.test',1795953608892,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$wRD0vq7UUs9Oj5-LBSFsh2fN3vc7EJQ-_cke8I50cfE"],"content":{"displayname":"bob","membership":"join"},"depth":8,"hashes":{"sha256":"3cVQb2DEw1VA3Z1nk2OSHTG9AT6Ok22p3FwTlPQdRyA"},"origin_server_ts":1795953608892,"prev_events":["$z6WVZM-APFhdluVcxgcGfAx4LMki5Cq-xKh21aIo-Dg"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"4AmTVB0pxBgmrv0Val7L9oAK93vB7I5RD6BlH3F0eIECwqPjmzfMO/G9rjoFbHmeCtdPr86nP9MweABoApy4Bg"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(38,3,'m.room.message',NULL,'@alice:a.test',1795953608903,0,0,43,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"hashes":{"sha256":"9ruSGQEZ4nypg3VwxjNBcFJr5miQVXSarVQPaz7t984"},"origin_server_ts":1795953608903,"prev_events":["$zsHoj1vrLFyn0wnWIV0vHPO2vfu7kdgzveE_uu4yG98"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"JhYNo6mMZjDX14FgGyRs0BPVYXsJettwGW9BIGbbavfZvbrce83tr0XOBXIEA1hh7X4r8HIvjFvkbfruzDDFDw"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(39,3,'m.room.message',NULL,'@bob:a.test',1795953608913,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$zsHoj1vrLFyn0wnWIV0vHPO2vfu7kdgzveE_uu4yG98"],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"hashes":{"sha256":"j7l4P7ICmmKiOnbEkfAV48duptksIUErYVLmv9kr72c"},"origin_server_ts":1795953608913,"prev_events":["$Yk0e7nkL15VFGgHqkXphgFExibAXaB07pGACecad5AQ"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"1oDhIIvzhQW7m/FSrIy6qRdNPRq+tHJNg//zG9JRpcCfr3HOeXL/B9DFlTXj38NdNb7yrtUEIRLpu8WBvSYlBg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(40,3,'m.room.message',NULL,'@alice:a.test',1795953608922,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"hashes":{"sha256":"Fwaol2whvQSVoP1A2Y3zeF4V/mfRoJ1DVJC8GZ2s6Hg"},"origin_server_ts":1795953608922,"prev_events":["$g9PzTUaLCgqoBqxbiDsmsx0XgUugrPULMP2sX1cVwIU"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"g4yq5OG62HWq7RCcvxT+Ho8IaAOVSLOCNDUIJImzPOQxTQcpRhYuwOP2p8Fbq0OHwzW+ydRfsAVAPpDajLWpCw"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(41,3,'m.room.message',NULL,'@bob:a.test',1795953608926,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$zsHoj1vrLFyn0wnWIV0vHPO2vfu7kdgzveE_uu4yG98"],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"hashes":{"sha256":"y8g+PldkkEyCgug+BaMjWolGkDKxYDNC/poZXPl63eY"},"origin_server_ts":1795953608926,"prev_events":["$ZsDlMo8KSsFuMdoqXHUV9CFnTF-kbE7V264rzv4SCKk"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"0bWUl9FTIYFfFXEWtRhRr9B63nBprLevQ+P3dVYCaSUDzpWMMHGO7D3gzvEJGvWAEOCsPaPnrtYc5SE9KsrqAQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(42,3,'m.room.message',NULL,'@alice:a.test',1795953608933,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"hashes":{"sha256":"hBo4/97oViqXBgSSdD9phrabVw8qBexRaokC6FPci/8"},"origin_server_ts":1795953608933,"prev_events":["$CoIWK8-BR0c11BhcY2QhpxbIz9vk6gg3hFew1lSntrE"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"EJR4DbkNko3V+RrkNDht1Z4PlXijfH75eF/Wiir6C00KOSdCqQgGDbBykcmweYk5kVz5H/Ay9q27WTlJv8j+Aw"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(43,3,'m.room.redaction',NULL,'@alice:a.test',1795953608945,0,0,NULL,'{"auth_events":["$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8","$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac"],"content":{"reason":"wrong","redacts":"$Yk0e7nkL15VFGgHqkXphgFExibAXaB07pGACecad5AQ"},"depth":14,"hashes":{"sha256":"cc8tALg0e6GUmMqr8nOgGUSj9utIQn1+fhJbCXeSrLg"},"origin_server_ts":1795953608945,"prev_events":["$3REZT5sqOcGg86-ZzLQMz9wV6hrmoqIEYKCiQec9iOk"],"room_id":"!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_5eYK":"Lg691gjzCU+mkGILln1AlVGSlFmQfowdLZvqDYKsG2tQj86JCOUVzRnfqX6I6npFH7SNlHbqE4KS+hjuFqoFCw"}},"type":"m.room.redaction"}');
CREATE TABLE client_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, scope, transaction_id)
);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !hvYazyPYYoUAc0DiFN:a.test','0','$LnUXHjwDxYA1cKjSDDn1wp:a.test',1795953608832);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !hvYazyPYYoUAc0DiFN:a.test','1','$sGfapNnyY9pZNYUQTuXVru:a.test',1795953608835);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !hvYazyPYYoUAc0DiFN:a.test','2','$aDxPEplVPEE9qVux3DYSj4:a.test',1795953608837);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !hvYazyPYYoUAc0DiFN:a.test','3','$10eLx2TUll3P89saSS1uyl:a.test',1795953608840);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !hvYazyPYYoUAc0DiFN:a.test','4','$TCzotcY8TGZscOTGaSgiYO:a.test',1795953608842);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !hvYazyPYYoUAc0DiFN:a.test','r','$80O96Z4x9PGgt8TyiAigFZ:a.test',1795953608844);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !IlbYC2r3MyUlDsGdp5:a.test','0','$mPklnsMaZdAjxJApXiRT4vonBPFayPa-oCsVymxkKF8',1795953608854);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !IlbYC2r3MyUlDsGdp5:a.test','1','$86yBmscNRFhYBfwMrzyibn_I3IYnuNIKUwNVvW8eVUA',1795953608856);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !IlbYC2r3MyUlDsGdp5:a.test','2','$4uVge0SluT06DO1X07az2x-0pAvqPJvWBvoTtks4sz8',1795953608858);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !IlbYC2r3MyUlDsGdp5:a.test','3','$HWegd09G0RiIa1zKkhI1SILufsj38NrIlXie9z-ER0g',1795953608865);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !IlbYC2r3MyUlDsGdp5:a.test','4','$AbBe04sQFJLr5gHLMewuUqPSYvMzkfmijHgzh_S3tso',1795953608870);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !IlbYC2r3MyUlDsGdp5:a.test','r','$slBAGQPCTmLRR4OqD56HyeDQKTvRb836MVYwvSQkvTE',1795953608873);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','0','$Yk0e7nkL15VFGgHqkXphgFExibAXaB07pGACecad5AQ',1795953608903);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','1','$g9PzTUaLCgqoBqxbiDsmsx0XgUugrPULMP2sX1cVwIU',1795953608913);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','2','$ZsDlMo8KSsFuMdoqXHUV9CFnTF-kbE7V264rzv4SCKk',1795953608921);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','3','$CoIWK8-BR0c11BhcY2QhpxbIz9vk6gg3hFew1lSntrE',1795953608926);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','4','$3REZT5sqOcGg86-ZzLQMz9wV6hrmoqIEYKCiQec9iOk',1795953608933);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','r','$-ZB0-jh2IvvH4-sImF7BiYUGN-anbAE8BllDj6Xuh1I',1795953608945);
CREATE TABLE copies (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    made_at BIGINT NOT NULL
);
CREATE TABLE cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (user_id, usage)
);
CREATE TABLE current_state (
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, type, state_key)
) WITHOUT ROWID;
INSERT INTO "current_state" VALUES(1,'m.room.create','',1);
INSERT INTO "current_state" VALUES(1,'m.room.history_visibility','',5);
INSERT INTO "current_state" VALUES(1,'m.room.join_rules','',4);
INSERT INTO "current_state" VALUES(1,'m.room.member','@alice:a.test',2);
INSERT INTO "current_state" VALUES(1,'m.room.member','@bob:a.test',8);
INSERT INTO "current_state" VALUES(1,'m.room.name','',6);
INSERT INTO "current_state" VALUES(1,'m.room.power_levels','',3);
INSERT INTO "current_state" VALUES(1,'m.room.topic','',7);
INSERT INTO "current_state" VALUES(2,'m.room.create','',15);
INSERT INTO "current_state" VALUES(2,'m.room.history_visibility','',19);
INSERT INTO "current_state" VALUES(2,'m.room.join_rules','',18);
INSERT INTO "current_state" VALUES(2,'m.room.member','@alice:a.test',16);
INSERT INTO "current_state" VALUES(2,'m.room.member','@bob:a.test',29);
INSERT INTO "current_state" VALUES(2,'m.room.name','',20);
INSERT INTO "current_state" VALUES(2,'m.room.power_levels','',17);
INSERT INTO "current_state" VALUES(2,'m.room.topic','',21);
INSERT INTO "current_state" VALUES(3,'m.room.create','',30);
INSERT INTO "current_state" VALUES(3,'m.room.history_visibility','',34);
INSERT INTO "current_state" VALUES(3,'m.room.join_rules','',33);
INSERT INTO "current_state" VALUES(3,'m.room.member','@alice:a.test',31);
INSERT INTO "current_state" VALUES(3,'m.room.member','@bob:a.test',37);
INSERT INTO "current_state" VALUES(3,'m.room.name','',35);
INSERT INTO "current_state" VALUES(3,'m.room.power_levels','',32);
INSERT INTO "current_state" VALUES(3,'m.room.topic','',36);
CREATE TABLE destination_health (
    server_name TEXT PRIMARY KEY,
    last_success BIGINT,
    last_failure BIGINT,
    last_error TEXT NOT NULL,
    failures BIGINT NOT NULL,
    resting_until BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE device_list_changes (
    user_id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    announced BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    last_seen_address TEXT,
    PRIMARY KEY (user_id, device_id)
);
INSERT INTO "devices" VALUES('@alice:a.test','ONE',NULL,1795953608773,1795953608773,'127.0.0.1');
INSERT INTO "devices" VALUES('@bob:a.test','TWO',NULL,1795953608816,1795953608816,'127.0.0.1');
CREATE TABLE edges (
    event BIGINT NOT NULL,
    prev BIGINT NOT NULL,
    room BIGINT NOT NULL,
    PRIMARY KEY (event, prev)
) WITHOUT ROWID;
INSERT INTO "edges" VALUES(2,1,1);
INSERT INTO "edges" VALUES(3,2,1);
INSERT INTO "edges" VALUES(4,3,1);
INSERT INTO "edges" VALUES(5,4,1);
INSERT INTO "edges" VALUES(6,5,1);
INSERT INTO "edges" VALUES(7,6,1);
INSERT INTO "edges" VALUES(8,7,1);
INSERT INTO "edges" VALUES(9,8,1);
INSERT INTO "edges" VALUES(10,9,1);
INSERT INTO "edges" VALUES(11,10,1);
INSERT INTO "edges" VALUES(12,11,1);
INSERT INTO "edges" VALUES(13,12,1);
INSERT INTO "edges" VALUES(14,13,1);
INSERT INTO "edges" VALUES(16,15,2);
INSERT INTO "edges" VALUES(17,16,2);
INSERT INTO "edges" VALUES(18,17,2);
INSERT INTO "edges" VALUES(19,18,2);
INSERT INTO "edges" VALUES(20,19,2);
INSERT INTO "edges" VALUES(21,20,2);
INSERT INTO "edges" VALUES(22,21,2);
INSERT INTO "edges" VALUES(23,22,2);
INSERT INTO "edges" VALUES(24,23,2);
INSERT INTO "edges" VALUES(25,24,2);
INSERT INTO "edges" VALUES(26,25,2);
INSERT INTO "edges" VALUES(27,26,2);
INSERT INTO "edges" VALUES(28,27,2);
INSERT INTO "edges" VALUES(29,28,2);
INSERT INTO "edges" VALUES(31,30,3);
INSERT INTO "edges" VALUES(32,31,3);
INSERT INTO "edges" VALUES(33,32,3);
INSERT INTO "edges" VALUES(34,33,3);
INSERT INTO "edges" VALUES(35,34,3);
INSERT INTO "edges" VALUES(36,35,3);
INSERT INTO "edges" VALUES(37,36,3);
INSERT INTO "edges" VALUES(38,37,3);
INSERT INTO "edges" VALUES(39,38,3);
INSERT INTO "edges" VALUES(40,39,3);
INSERT INTO "edges" VALUES(41,40,3);
INSERT INTO "edges" VALUES(42,41,3);
INSERT INTO "edges" VALUES(43,42,3);
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    UNIQUE (event_id, room)
);
INSERT INTO "events" VALUES(1,1,'$uVhAk363FAsySjI2yvIC4n:a.test');
INSERT INTO "events" VALUES(2,1,'$zqyl3TJNVxslzXIe2YMJaP:a.test');
INSERT INTO "events" VALUES(3,1,'$NZGtYVDv1x81wd8L31czQy:a.test');
INSERT INTO "events" VALUES(4,1,'$MWFkMQZBVLYkmxA6exDX0x:a.test');
INSERT INTO "events" VALUES(5,1,'$Eu5ZcSrQWnesyOPGqNKW8O:a.test');
INSERT INTO "events" VALUES(6,1,'$Aosf2WTIH8aqQ0eXLUAjOQ:a.test');
INSERT INTO "events" VALUES(7,1,'$r5PIGg3Uxx2QMDYiGmBNKW:a.test');
INSERT INTO "events" VALUES(8,1,'$bcmBvlrSwneCmin6kEhB66:a.test');
INSERT INTO "events" VALUES(9,1,'$LnUXHjwDxYA1cKjSDDn1wp:a.test');
INSERT INTO "events" VALUES(10,1,'$sGfapNnyY9pZNYUQTuXVru:a.test');
INSERT INTO "events" VALUES(11,1,'$aDxPEplVPEE9qVux3DYSj4:a.test');
INSERT INTO "events" VALUES(12,1,'$10eLx2TUll3P89saSS1uyl:a.test');
INSERT INTO "events" VALUES(13,1,'$TCzotcY8TGZscOTGaSgiYO:a.test');
INSERT INTO "events" VALUES(14,1,'$80O96Z4x9PGgt8TyiAigFZ:a.test');
INSERT INTO "events" VALUES(15,2,'$aRx6gTTnYzsAN0LPUFb1a37H4MYa_JxPa873acboX5U');
INSERT INTO "events" VALUES(16,2,'$ZlLEp9Cb-RExjyyacybfjPc8smpijEI2hUyzrRhd4vM');
INSERT INTO "events" VALUES(17,2,'$XWAyVhWckV-Q9XBDGz0xW2L_pwym20XNt_tiXgWaGmA');
INSERT INTO "events" VALUES(18,2,'$KeDxVKBeIfu-rfad2Ndcbl4YlUJTFzAY99TUx0xBiiw');
INSERT INTO "events" VALUES(19,2,'$Ee8gRWCZCjJiwHgEZNBSUmfKvSan4tGCE2nE3b2Mh_E');
INSERT INTO "events" VALUES(20,2,'$THf-9wBcXHJEuUEg0MbkghL-CUtMuIWjVvoDlZ8fGJY');
INSERT INTO "events" VALUES(21,2,'$diPl6B9UAHIsl4hSVRjPpkLfqBXuli0UU0VUaw2Bld8');
INSERT INTO "events" VALUES(22,2,'$sChc8wRGVcF4avBmFKQNqtsiiLBYwkuoYy7FeuiftOc');
INSERT INTO "events" VALUES(23,2,'$mPklnsMaZdAjxJApXiRT4vonBPFayPa-oCsVymxkKF8');
INSERT INTO "events" VALUES(24,2,'$86yBmscNRFhYBfwMrzyibn_I3IYnuNIKUwNVvW8eVUA');
INSERT INTO "events" VALUES(25,2,'$4uVge0SluT06DO1X07az2x-0pAvqPJvWBvoTtks4sz8');
INSERT INTO "events" VALUES(26,2,'$HWegd09G0RiIa1zKkhI1SILufsj38NrIlXie9z-ER0g');
INSERT INTO "events" VALUES(27,2,'$AbBe04sQFJLr5gHLMewuUqPSYvMzkfmijHgzh_S3tso');
INSERT INTO "events" VALUES(28,2,'$slBAGQPCTmLRR4OqD56HyeDQKTvRb836MVYwvSQkvTE');
INSERT INTO "events" VALUES(29,2,'$4yfmFxm9lyt2sHt8VgyQguQ03a8yQdh0P4NPCjsDzOY');
INSERT INTO "events" VALUES(30,3,'$OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw');
INSERT INTO "events" VALUES(31,3,'$W9uJLIx5hLe77dV8xAmlrXFHPVhxhmxxKfVGiqKF6Ac');
INSERT INTO "events" VALUES(32,3,'$CnPzPZfMVrelkYQ3CmS57tLWP6dssR58askRB1y2iw8');
INSERT INTO "events" VALUES(33,3,'$wRD0vq7UUs9Oj5-LBSFsh2fN3vc7EJQ-_cke8I50cfE');
INSERT INTO "events" VALUES(34,3,'$ZnLnbjDTc-04umFun0SUHgLD-WvRMM9X7f-4bKnwL2E');
INSERT INTO "events" VALUES(35,3,'$sVaDjVamsKzl6-KXZOmt3N2l0OjvdDJV_QPZ1GuCuNg');
INSERT INTO "events" VALUES(36,3,'$z6WVZM-APFhdluVcxgcGfAx4LMki5Cq-xKh21aIo-Dg');
INSERT INTO "events" VALUES(37,3,'$zsHoj1vrLFyn0wnWIV0vHPO2vfu7kdgzveE_uu4yG98');
INSERT INTO "events" VALUES(38,3,'$Yk0e7nkL15VFGgHqkXphgFExibAXaB07pGACecad5AQ');
INSERT INTO "events" VALUES(39,3,'$g9PzTUaLCgqoBqxbiDsmsx0XgUugrPULMP2sX1cVwIU');
INSERT INTO "events" VALUES(40,3,'$ZsDlMo8KSsFuMdoqXHUV9CFnTF-kbE7V264rzv4SCKk');
INSERT INTO "events" VALUES(41,3,'$CoIWK8-BR0c11BhcY2QhpxbIz9vk6gg3hFew1lSntrE');
INSERT INTO "events" VALUES(42,3,'$3REZT5sqOcGg86-ZzLQMz9wV6hrmoqIEYKCiQec9iOk');
INSERT INTO "events" VALUES(43,3,'$-ZB0-jh2IvvH4-sImF7BiYUGN-anbAE8BllDj6Xuh1I');
CREATE TABLE extremities (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, event)
) WITHOUT ROWID;
INSERT INTO "extremities" VALUES(1,14);
INSERT INTO "extremities" VALUES(2,29);
INSERT INTO "extremities" VALUES(3,43);
CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    content TEXT NOT NULL,
    is_used BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
);
CREATE TABLE filters (
    user_id TEXT NOT NULL,
    filter_id BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (user_id, filter_id)
);
CREATE TABLE gaps (
    room BIGINT NOT NULL,
    prev BIGINT NOT NULL,
    event BIGINT NOT NULL,
    topological BIGINT NOT NULL,
    PRIMARY KEY (room, prev, event)
) WITHOUT ROWID;
CREATE TABLE graph (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    arrival BIGINT UNIQUE,
    topological BIGINT NOT NULL,
    state_before BIGINT,
    state_after BIGINT,
    outcome BIGINT NOT NULL
);
INSERT INTO "graph" VALUES(1,1,1,1099511627776,NULL,1,0);
INSERT INTO "graph" VALUES(2,1,2,1099511627777,1,2,0);
INSERT INTO "graph" VALUES(3,1,3,1099511627778,2,3,0);
INSERT INTO "graph" VALUES(4,1,4,1099511627779,3,4,0);
INSERT INTO "graph" VALUES(5,1,5,1099511627780,4,5,0);
INSERT INTO "graph" VALUES(6,1,6,1099511627781,5,6,0);
INSERT INTO "graph" VALUES(7,1,7,1099511627782,6,7,0);
INSERT INTO "graph" VALUES(8,1,8,1099511627783,7,8,0);
INSERT INTO "graph" VALUES(9,1,9,1099511627784,8,8,0);
INSERT INTO "graph" VALUES(10,1,10,1099511627785,8,8,0);
INSERT INTO "graph" VALUES(11,1,11,1099511627786,8,8,0);
INSERT INTO "graph" VALUES(12,1,12,1099511627787,8,8,0);
INSERT INTO "graph" VALUES(13,1,13,1099511627788,8,8,0);
INSERT INTO "graph" VALUES(14,1,14,1099511627789,8,8,0);
INSERT INTO "graph" VALUES(15,2,15,1099511627776,NULL,9,0);
INSERT INTO "graph" VALUES(16,2,16,1099511627777,9,10,0);
INSERT INTO "graph" VALUES(17,2,17,1099511627778,10,11,0);
INSERT INTO "graph" VALUES(18,2,18,1099511627779,11,12,0);
INSERT INTO "graph" VALUES(19,2,19,1099511627780,12,13,0);
INSERT INTO "graph" VALUES(20,2,20,1099511627781,13,14,0);
INSERT INTO "graph" VALUES(21,2,21,1099511627782,14,15,0);
INSERT INTO "graph" VALUES(22,2,22,1099511627783,15,16,0);
INSERT INTO "graph" VALUES(23,2,23,1099511627784,16,16,0);
INSERT INTO "graph" VALUES(24,2,24,1099511627785,16,16,0);
INSERT INTO "graph" VALUES(25,2,25,1099511627786,16,16,0);
INSERT INTO "graph" VALUES(26,2,26,1099511627787,16,16,0);
INSERT INTO "graph" VALUES(27,2,27,1099511627788,16,16,0);
INSERT INTO "graph" VALUES(28,2,28,1099511627789,16,16,0);
INSERT INTO "graph" VALUES(29,2,29,1099511627790,16,17,0);
INSERT INTO "graph" VALUES(30,3,30,1099511627776,NULL,18,0);
INSERT INTO "graph" VALUES(31,3,31,1099511627777,18,19,0);
INSERT INTO "graph" VALUES(32,3,32,1099511627778,19,20,0);
INSERT INTO "graph" VALUES(33,3,33,1099511627779,20,21,0);
INSERT INTO "graph" VALUES(34,3,34,1099511627780,21,22,0);
INSERT INTO "graph" VALUES(35,3,35,1099511627781,22,23,0);
INSERT INTO "graph" VALUES(36,3,36,1099511627782,23,24,0);
INSERT INTO "graph" VALUES(37,3,37,1099511627783,24,25,0);
INSERT INTO "graph" VALUES(38,3,38,1099511627784,25,25,0);
INSERT INTO "graph" VALUES(39,3,39,1099511627785,25,25,0);
INSERT INTO "graph" VALUES(40,3,40,1099511627786,25,25,0);
INSERT INTO "graph" VALUES(41,3,41,1099511627787,25,25,0);
INSERT INTO "graph" VALUES(42,3,42,1099511627788,25,25,0);
INSERT INTO "graph" VALUES(43,3,43,1099511627789,25,25,0);
CREATE TABLE key_backups (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,
    etag BIGINT NOT NULL,
    is_deleted BIGINT NOT NULL,
    PRIMARY KEY (user_id, version)
);
CREATE TABLE key_signatures (
    user_id TEXT NOT NULL,
    target TEXT NOT NULL,
    signer TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (user_id, target, signer, key_id)
);
CREATE TABLE leaps (
    stream TEXT NOT NULL,
    last BIGINT NOT NULL,
    first BIGINT NOT NULL,
    PRIMARY KEY (stream, last)
) WITHOUT ROWID;
CREATE TABLE local_media (
    media_id TEXT PRIMARY KEY,
    uploader TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    hash TEXT,
    bytes BIGINT,
    content_type TEXT,
    file_name TEXT
);
CREATE TABLE media_thumbnails (
    hash TEXT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    variant TEXT NOT NULL,
    thumbnail_hash TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (hash, width, height, variant)
);
CREATE TABLE members (
    room BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    server TEXT NOT NULL,
    membership TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, user_id)
) WITHOUT ROWID;
INSERT INTO "members" VALUES(1,'@alice:a.test','a.test','join',2);
INSERT INTO "members" VALUES(1,'@bob:a.test','a.test','join',8);
INSERT INTO "members" VALUES(2,'@alice:a.test','a.test','join',16);
INSERT INTO "members" VALUES(2,'@bob:a.test','a.test','leave',29);
INSERT INTO "members" VALUES(3,'@alice:a.test','a.test','join',31);
INSERT INTO "members" VALUES(3,'@bob:a.test','a.test','join',37);
CREATE TABLE missed (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    generations BIGINT NOT NULL,
    PRIMARY KEY (room, event)
) WITHOUT ROWID;
CREATE TABLE one_time_keys (
    number INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE outbound_delivered (
    destination TEXT NOT NULL,
    number BIGINT NOT NULL,
    transaction_id TEXT NOT NULL,
    delivered_at BIGINT NOT NULL,
    events TEXT NOT NULL,
    edus TEXT,
    refused TEXT,
    PRIMARY KEY (destination, number)
) WITHOUT ROWID;
CREATE TABLE outbound_destinations (
    destination TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    delivered_at BIGINT,
    failing_since BIGINT,
    -- How many transactions it took, and whether it is a server that asks again for what it lost.
    deliveries BIGINT NOT NULL DEFAULT 0,
    asks_again BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE outbound_edus (
    destination TEXT NOT NULL,
    lane BIGINT NOT NULL,
    position BIGINT NOT NULL,
    merge_key TEXT,
    in_flight BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    edu_type TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (destination, lane, position)
);
CREATE TABLE outbound_forgotten (
    id INTEGER PRIMARY KEY,
    highest BIGINT NOT NULL
);
INSERT INTO "outbound_forgotten" VALUES(1,0);
CREATE TABLE outbound_pdus (
    destination TEXT NOT NULL,
    position BIGINT NOT NULL,
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (destination, position)
) WITHOUT ROWID;
CREATE TABLE outbound_transactions (
    destination TEXT NOT NULL PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    pdus TEXT NOT NULL,
    edus TEXT NOT NULL,
    ephemeral TEXT NOT NULL
);
CREATE TABLE own_keys (
    key_id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    -- When the server stopped to use it, in milliseconds since 1970. NULL: it is in use.
    expired BIGINT
);
INSERT INTO "own_keys" VALUES('ed25519:a_5eYK','7xV1Z2uR1EHBuTYrkaM020fBx7t7UlcAqOo83los8hU',NULL);
CREATE TABLE own_name (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    server_name TEXT NOT NULL
);
INSERT INTO "own_name" VALUES(1,'a.test');
CREATE TABLE partial_rooms (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    given_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    wanted BIGINT,
    lacking BIGINT,
    problem TEXT,
    whole BIGINT NOT NULL DEFAULT 0,
    keys TEXT,
    PRIMARY KEY (room)
) WITHOUT ROWID;
CREATE TABLE partial_servers (
    room BIGINT NOT NULL,
    server TEXT NOT NULL,
    PRIMARY KEY (room, server)
) WITHOUT ROWID;
CREATE TABLE profile_fields (
    user_id TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, field)
);
INSERT INTO "profile_fields" VALUES('@alice:a.test','displayname','"alice"');
INSERT INTO "profile_fields" VALUES('@bob:a.test','displayname','"bob"');
CREATE TABLE published_rooms (
    room_id TEXT PRIMARY KEY
);
CREATE TABLE pulls (
    origin TEXT NOT NULL PRIMARY KEY,
    after_transaction TEXT NOT NULL,
    number BIGINT,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE purges (
    room INTEGER PRIMARY KEY,
    since BIGINT NOT NULL,
    looked_at BIGINT NOT NULL DEFAULT 0,
    found BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE receipts (
    room BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    receipt_type TEXT NOT NULL,
    thread TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room, user_id, receipt_type, thread)
);
INSERT INTO "receipts" VALUES(1,'@bob:a.test','m.read','','$TCzotcY8TGZscOTGaSgiYO:a.test',1795953608846,1);
INSERT INTO "receipts" VALUES(2,'@bob:a.test','m.read','','$AbBe04sQFJLr5gHLMewuUqPSYvMzkfmijHgzh_S3tso',1795953608878,2);
INSERT INTO "receipts" VALUES(3,'@bob:a.test','m.read','','$3REZT5sqOcGg86-ZzLQMz9wV6hrmoqIEYKCiQec9iOk',1795953608953,3);
CREATE TABLE received_transactions (
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (origin, transaction_id)
);
CREATE TABLE redactions (
    redaction INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    target BIGINT NOT NULL
);
INSERT INTO "redactions" VALUES(14,1,9);
INSERT INTO "redactions" VALUES(28,2,23);
INSERT INTO "redactions" VALUES(43,3,38);
CREATE TABLE refresh_tokens (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    next_hash BYTEA,
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE remote_device_lists (
    user_id TEXT NOT NULL PRIMARY KEY,
    base BIGINT NOT NULL,
    seen TEXT NOT NULL,
    generation BIGINT NOT NULL,
    is_stale BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_try_at BIGINT
);
CREATE TABLE remote_devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    display_name TEXT,
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE remote_key_updates (
    number INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    edu_type TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE remote_media (
    origin TEXT NOT NULL,
    media_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    file_name TEXT,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (origin, media_id)
);
CREATE TABLE rooms (
    number INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    turn BIGINT NOT NULL DEFAULT 0,
    state BIGINT,
    entered BIGINT
);
INSERT INTO "rooms" VALUES(1,'!hvYazyPYYoUAc0DiFN:a.test','1',8,8,NULL);
INSERT INTO "rooms" VALUES(2,'!IlbYC2r3MyUlDsGdp5:a.test','6',9,17,NULL);
INSERT INTO "rooms" VALUES(3,'!OpRG8YB7mSa7-Rg8u7yBDJBB6UzRFVV2tsv1RvOVyHw','12',8,25,NULL);
CREATE TABLE server_key_documents (
    server_name TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    fetched BIGINT NOT NULL
);
CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    expired BIGINT,
    PRIMARY KEY (server_name, key_id)
);
CREATE TABLE signed_users (
    signer TEXT NOT NULL,
    user_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (signer, user_id)
);
CREATE TABLE staged (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    received BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    mangled BIGINT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (room, event_id)
);
CREATE TABLE standings (
    user_id TEXT NOT NULL,
    room BIGINT NOT NULL,
    membership TEXT NOT NULL,
    event BIGINT NOT NULL,
    position BIGINT NOT NULL,
    stripped TEXT,
    via TEXT,
    forgotten BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, room)
) WITHOUT ROWID;
INSERT INTO "standings" VALUES('@alice:a.test',1,'join',2,7,NULL,NULL,0);
INSERT INTO "standings" VALUES('@alice:a.test',2,'join',16,21,NULL,NULL,0);
INSERT INTO "standings" VALUES('@alice:a.test',3,'join',31,36,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',1,'join',8,8,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',2,'leave',29,29,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',3,'join',37,37,NULL,NULL,0);
CREATE TABLE state_changes (
    position BIGINT NOT NULL,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT,
    PRIMARY KEY (room, position, type, state_key)
) WITHOUT ROWID;
INSERT INTO "state_changes" VALUES(7,1,'m.room.create','',1);
INSERT INTO "state_changes" VALUES(7,1,'m.room.history_visibility','',5);
INSERT INTO "state_changes" VALUES(7,1,'m.room.join_rules','',4);
INSERT INTO "state_changes" VALUES(7,1,'m.room.member','@alice:a.test',2);
INSERT INTO "state_changes" VALUES(7,1,'m.room.name','',6);
INSERT INTO "state_changes" VALUES(7,1,'m.room.power_levels','',3);
INSERT INTO "state_changes" VALUES(7,1,'m.room.topic','',7);
INSERT INTO "state_changes" VALUES(8,1,'m.room.member','@bob:a.test',8);
INSERT INTO "state_changes" VALUES(21,2,'m.room.create','',15);
INSERT INTO "state_changes" VALUES(21,2,'m.room.history_visibility','',19);
INSERT INTO "state_changes" VALUES(21,2,'m.room.join_rules','',18);
INSERT INTO "state_changes" VALUES(21,2,'m.room.member','@alice:a.test',16);
INSERT INTO "state_changes" VALUES(21,2,'m.room.name','',20);
INSERT INTO "state_changes" VALUES(21,2,'m.room.power_levels','',17);
INSERT INTO "state_changes" VALUES(21,2,'m.room.topic','',21);
INSERT INTO "state_changes" VALUES(22,2,'m.room.member','@bob:a.test',22);
INSERT INTO "state_changes" VALUES(29,2,'m.room.member','@bob:a.test',29);
INSERT INTO "state_changes" VALUES(36,3,'m.room.create','',30);
INSERT INTO "state_changes" VALUES(36,3,'m.room.history_visibility','',34);
INSERT INTO "state_changes" VALUES(36,3,'m.room.join_rules','',33);
INSERT INTO "state_changes" VALUES(36,3,'m.room.member','@alice:a.test',31);
INSERT INTO "state_changes" VALUES(36,3,'m.room.name','',35);
INSERT INTO "state_changes" VALUES(36,3,'m.room.power_levels','',32);
INSERT INTO "state_changes" VALUES(36,3,'m.room.topic','',36);
INSERT INTO "state_changes" VALUES(37,3,'m.room.member','@bob:a.test',37);
CREATE TABLE state_chunks (
    snapshot BIGINT NOT NULL,
    first_key BIGINT NOT NULL,
    room BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (snapshot, first_key)
);
CREATE TABLE state_keys (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (type, state_key)
);
INSERT INTO "state_keys" VALUES(1,'m.room.create','');
INSERT INTO "state_keys" VALUES(2,'m.room.member','@alice:a.test');
INSERT INTO "state_keys" VALUES(3,'m.room.power_levels','');
INSERT INTO "state_keys" VALUES(4,'m.room.join_rules','');
INSERT INTO "state_keys" VALUES(5,'m.room.history_visibility','');
INSERT INTO "state_keys" VALUES(6,'m.room.name','');
INSERT INTO "state_keys" VALUES(7,'m.room.topic','');
INSERT INTO "state_keys" VALUES(8,'m.room.member','@bob:a.test');
CREATE TABLE state_snapshots (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    base BIGINT,
    level BIGINT NOT NULL,
    content BYTEA NOT NULL
);
INSERT INTO "state_snapshots" VALUES(1,1,NULL,0,X'D435FDAE54ADA084372D62F7010001010200');
INSERT INTO "state_snapshots" VALUES(2,1,1,1,X'48307CA61CD7E98AEB142772020001020400');
INSERT INTO "state_snapshots" VALUES(3,1,2,2,X'FB09B925593ECB7E4512FE23030001030600');
INSERT INTO "state_snapshots" VALUES(4,1,3,3,X'80DCBA90A32442C8DEBB4834040001040800');
INSERT INTO "state_snapshots" VALUES(5,1,4,4,X'A2DF7085F03768B63687FAC1050001050A00');
INSERT INTO "state_snapshots" VALUES(6,1,4,4,X'6E2EC772860E01889B20123D060002060A010200');
INSERT INTO "state_snapshots" VALUES(7,1,4,4,X'7D2EC4EEE292A211B287B2C0070003070A0202010200');
INSERT INTO "state_snapshots" VALUES(8,1,4,4,X'5F04223E450663154EA932BC080004080A03020202010200');
INSERT INTO "state_snapshots" VALUES(9,2,NULL,0,X'4AE2F8E523664219D211309C0100010F0200');
INSERT INTO "state_snapshots" VALUES(10,2,9,1,X'D6A1744E945D62CC426940CF020001100400');
INSERT INTO "state_snapshots" VALUES(11,2,10,2,X'904F64E51856ECEFD9FAB0B1030001110600');
INSERT INTO "state_snapshots" VALUES(12,2,11,3,X'FF421A3E00C309EB6F5F14DC040001120800');
INSERT INTO "state_snapshots" VALUES(13,2,12,4,X'C6B08D10D34C211E24D612E7050001130A00');
INSERT INTO "state_snapshots" VALUES(14,2,12,4,X'C3A686C5D099B98F69A93CC9060002140A010200');
INSERT INTO "state_snapshots" VALUES(15,2,12,4,X'F04FC895DED53B31C3C8625B070003150A0202010200');
INSERT INTO "state_snapshots" VALUES(16,2,12,4,X'6CD9A07481A75A9E497D8122080004160A03020202010200');
INSERT INTO "state_snapshots" VALUES(17,2,12,4,X'9A3EA5D2D68F69C505551FDD0800041D0A0A020902080200');
INSERT INTO "state_snapshots" VALUES(18,3,NULL,0,X'A4AD4F23C4BE3D83068676EC0100011E0200');
INSERT INTO "state_snapshots" VALUES(19,3,18,1,X'36BBA91055D33593E1B6B2850200011F0400');
INSERT INTO "state_snapshots" VALUES(20,3,19,2,X'B3CC5D390DE83428BB577B55030001200600');
INSERT INTO "state_snapshots" VALUES(21,3,20,3,X'6DB699511978A58354058592040001210800');
INSERT INTO "state_snapshots" VALUES(22,3,21,4,X'41EB47883C6BE522036DE8FE050001220A00');
INSERT INTO "state_snapshots" VALUES(23,3,21,4,X'3B3C3B54680AD00621FA65AC060002230A010200');
INSERT INTO "state_snapshots" VALUES(24,3,21,4,X'C0B8D72CFD1C594289D93BD9070003240A0202010200');
INSERT INTO "state_snapshots" VALUES(25,3,21,4,X'963D766DF7E8B8DD009F456B080004250A03020202010200');
CREATE TABLE state_snapshots_purged (
    id INTEGER PRIMARY KEY,
    highest BIGINT NOT NULL
);
INSERT INTO "state_snapshots_purged" VALUES(1,0);
CREATE TABLE streams (
    stream TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO "streams" VALUES('account_data',6);
INSERT INTO "streams" VALUES('events',43);
INSERT INTO "streams" VALUES('receipts',3);
INSERT INTO "streams" VALUES('to_device',1);
CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO "subscriptions" VALUES('introductions of devices',43);
CREATE TABLE to_device (
    position BIGINT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    content TEXT NOT NULL
);
INSERT INTO "to_device" VALUES(1,'@bob:a.test','TWO','{"content":{"for":"bob"},"sender":"@alice:a.test","type":"org.test"}');
CREATE TABLE to_device_received (
    number INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    message_id TEXT NOT NULL
);
CREATE TABLE to_device_sent (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, event_type, transaction_id)
);
INSERT INTO "to_device_sent" VALUES('@alice:a.test','ONE','org.test','1',1795953608961);
CREATE TABLE unanswered_joins (
    event_id TEXT NOT NULL PRIMARY KEY,
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    servers TEXT NOT NULL,
    room_version TEXT NOT NULL,
    event TEXT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE unverified (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    received BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    json TEXT NOT NULL,
    UNIQUE (room, event_id, origin)
);
CREATE TABLE verdicts (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    verdict TEXT NOT NULL
);
INSERT INTO "verdicts" VALUES(1,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(2,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(3,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(4,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(5,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(6,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(7,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608822,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(8,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608828,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(9,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608832,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(10,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608835,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(11,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608837,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(12,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608840,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(13,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608842,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(14,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608844,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(15,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(16,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(17,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(18,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(19,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(20,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(21,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608849,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(22,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608852,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(23,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608854,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(24,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608856,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(25,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608858,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(26,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608865,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(27,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608870,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(28,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608873,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(29,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608880,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(30,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(31,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(32,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(33,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(34,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(35,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(36,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608882,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(37,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608892,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(38,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608903,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(39,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608913,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(40,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608922,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(41,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608926,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(42,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608933,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(43,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795953608945,"resolved_from":[]}');
CREATE INDEX account_data_by_position ON account_data (user_id, position);
CREATE INDEX account_data_by_room ON account_data (room_id);
CREATE UNIQUE INDEX access_tokens_by_device ON access_tokens (user_id, device_id);
CREATE INDEX refresh_tokens_by_hash ON refresh_tokens (token_hash);
CREATE INDEX refresh_tokens_by_next_hash ON refresh_tokens (next_hash) WHERE next_hash IS NOT NULL;
CREATE INDEX aliases_by_room ON aliases (room_id);
CREATE INDEX destination_health_by_change ON destination_health (changed);
CREATE UNIQUE INDEX one_time_keys_by_id ON one_time_keys (user_id, device_id, algorithm, key_id);
CREATE INDEX key_signatures_by_signer ON key_signatures (signer);
CREATE INDEX signed_users_by_position ON signed_users (signer, position);
CREATE UNIQUE INDEX device_list_changes_by_position ON device_list_changes (position);
CREATE INDEX bodies_by_time ON bodies (room, origin_server_ts);
CREATE INDEX bodies_state_by_room ON bodies (room) WHERE state_key IS NOT NULL;
CREATE INDEX redactions_by_target ON redactions (target);
CREATE INDEX client_transactions_by_age ON client_transactions (at);
CREATE INDEX client_transactions_by_event ON client_transactions (user_id, device_id, event_id);
CREATE UNIQUE INDEX filters_by_content ON filters (user_id, content);
CREATE INDEX graph_by_arrival ON graph (room, arrival);
CREATE INDEX graph_by_topological ON graph (room, topological, event);
CREATE INDEX edges_by_prev ON edges (prev);
CREATE INDEX missed_by_retry ON missed (retry_at);
CREATE INDEX local_media_files ON local_media (hash);
CREATE INDEX local_media_unused ON local_media (uploader, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX local_media_expiry ON local_media (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX remote_media_files ON remote_media (hash);
CREATE INDEX remote_media_age ON remote_media (last_used_at);
CREATE INDEX media_thumbnail_files ON media_thumbnails (thumbnail_hash);
CREATE INDEX outbound_destinations_by_delivery ON outbound_destinations (delivered_at);
CREATE INDEX outbound_pdus_by_room ON outbound_pdus (room);
CREATE INDEX outbound_edus_by_merge_key ON outbound_edus (merge_key, destination) WHERE merge_key IS NOT NULL;
CREATE INDEX outbound_delivered_by_age ON outbound_delivered (delivered_at);
CREATE INDEX pulls_by_retry ON pulls (retry_at);
CREATE INDEX receipts_by_position ON receipts (room, position);
CREATE UNIQUE INDEX received_transactions_by_sequence ON received_transactions (origin, sequence);
CREATE INDEX received_transactions_by_age ON received_transactions (received_at);
CREATE INDEX remote_device_lists_by_next_try ON remote_device_lists (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX remote_key_updates_by_user ON remote_key_updates (user_id);
CREATE UNIQUE INDEX to_device_received_by_id ON to_device_received (origin, message_id);
CREATE INDEX to_device_received_by_origin ON to_device_received (origin, number);
CREATE INDEX members_by_server ON members (room, membership, server, user_id);
CREATE INDEX members_by_user ON members (user_id, membership, room);
CREATE INDEX standings_by_room ON standings (room);
CREATE INDEX server_key_documents_by_age ON server_key_documents (fetched);
CREATE INDEX staged_by_queue ON staged (origin, room, number, retry_at);
CREATE INDEX state_snapshots_by_room ON state_snapshots (room);
CREATE INDEX state_chunks_by_room ON state_chunks (room);
CREATE INDEX to_device_by_device ON to_device (user_id, device_id, position);
CREATE INDEX to_device_sent_by_time ON to_device_sent (sent_at);
CREATE INDEX unverified_by_origin ON unverified (origin);
CREATE INDEX unverified_by_retry ON unverified (retry_at);
CREATE INDEX unanswered_joins_by_retry ON unanswered_joins (retry_at);
CREATE INDEX unanswered_joins_by_user ON unanswered_joins (user_id, room_id);
COMMIT;PRAGMA application_id = 1097626728;
PRAGMA user_version = 2;
