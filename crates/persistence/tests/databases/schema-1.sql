BEGIN TRANSACTION;
CREATE TABLE access_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
INSERT INTO "access_tokens" VALUES(X'8751A716F32F6EA754CCE68DFD735383D9C89C45CB69FEEC94D65ED8B3E578B1','@alice:a.test','ONE',1795877173615,NULL);
INSERT INTO "access_tokens" VALUES(X'39BA2FA10D9A34C96B6365F334780F14198D77BFAEFC0F094C799EB65C22231E','@bob:a.test','TWO',1795877173674,NULL);
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
INSERT INTO "account_data" VALUES('@alice:a.test','!GcLZaoOWcW5bz3YpVu:a.test','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',3);
INSERT INTO "account_data" VALUES('@alice:a.test','!m3Y5HVXzklRSUPBvml:a.test','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',4);
INSERT INTO "account_data" VALUES('@alice:a.test','!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','m.tag','{"tags":{"m.favourite":{"order":0.5}}}',5);
INSERT INTO "account_data" VALUES('@alice:a.test','','org.test','{"kept":true}',6);
CREATE TABLE accounts (
    user_id TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT,
    is_admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT
);
INSERT INTO "accounts" VALUES('@alice:a.test','$argon2id$v=19$m=19456,t=2,p=1$hzs7Tv7VHpcQI6b+yUSusg$MGv9crLYbuzOMje4p75NTxRXH4A18EFhjxGcB0m1XtY',0,1795877173615,NULL);
INSERT INTO "accounts" VALUES('@bob:a.test','$argon2id$v=19$m=19456,t=2,p=1$3rN7bSXZkYbyhJNUrYK4+w$/FANWcfkDYX/ExKy38FOC4lNO4VLOSer4U+GIUOMzjY',0,1795877173674,NULL);
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL
);
INSERT INTO "aliases" VALUES('#v1:a.test','!GcLZaoOWcW5bz3YpVu:a.test','@alice:a.test');
INSERT INTO "aliases" VALUES('#v6:a.test','!m3Y5HVXzklRSUPBvml:a.test','@alice:a.test');
INSERT INTO "aliases" VALUES('#v12:a.test','!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','@alice:a.test');
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
INSERT INTO "auth_edges" VALUES(8,1,5);
INSERT INTO "auth_edges" VALUES(9,1,1);
INSERT INTO "auth_edges" VALUES(9,1,3);
INSERT INTO "auth_edges" VALUES(9,1,8);
INSERT INTO "auth_edges" VALUES(10,1,1);
INSERT INTO "auth_edges" VALUES(10,1,2);
INSERT INTO "auth_edges" VALUES(10,1,3);
INSERT INTO "auth_edges" VALUES(11,1,1);
INSERT INTO "auth_edges" VALUES(11,1,3);
INSERT INTO "auth_edges" VALUES(11,1,8);
INSERT INTO "auth_edges" VALUES(12,1,1);
INSERT INTO "auth_edges" VALUES(12,1,2);
INSERT INTO "auth_edges" VALUES(12,1,3);
INSERT INTO "auth_edges" VALUES(13,1,1);
INSERT INTO "auth_edges" VALUES(13,1,3);
INSERT INTO "auth_edges" VALUES(13,1,8);
INSERT INTO "auth_edges" VALUES(14,1,1);
INSERT INTO "auth_edges" VALUES(14,1,2);
INSERT INTO "auth_edges" VALUES(14,1,3);
INSERT INTO "auth_edges" VALUES(15,1,1);
INSERT INTO "auth_edges" VALUES(15,1,2);
INSERT INTO "auth_edges" VALUES(15,1,3);
INSERT INTO "auth_edges" VALUES(17,2,16);
INSERT INTO "auth_edges" VALUES(18,2,16);
INSERT INTO "auth_edges" VALUES(18,2,17);
INSERT INTO "auth_edges" VALUES(19,2,16);
INSERT INTO "auth_edges" VALUES(19,2,17);
INSERT INTO "auth_edges" VALUES(19,2,18);
INSERT INTO "auth_edges" VALUES(20,2,16);
INSERT INTO "auth_edges" VALUES(20,2,17);
INSERT INTO "auth_edges" VALUES(20,2,18);
INSERT INTO "auth_edges" VALUES(21,2,16);
INSERT INTO "auth_edges" VALUES(21,2,17);
INSERT INTO "auth_edges" VALUES(21,2,18);
INSERT INTO "auth_edges" VALUES(22,2,16);
INSERT INTO "auth_edges" VALUES(22,2,17);
INSERT INTO "auth_edges" VALUES(22,2,18);
INSERT INTO "auth_edges" VALUES(23,2,16);
INSERT INTO "auth_edges" VALUES(23,2,18);
INSERT INTO "auth_edges" VALUES(23,2,20);
INSERT INTO "auth_edges" VALUES(24,2,16);
INSERT INTO "auth_edges" VALUES(24,2,18);
INSERT INTO "auth_edges" VALUES(24,2,23);
INSERT INTO "auth_edges" VALUES(25,2,16);
INSERT INTO "auth_edges" VALUES(25,2,17);
INSERT INTO "auth_edges" VALUES(25,2,18);
INSERT INTO "auth_edges" VALUES(26,2,16);
INSERT INTO "auth_edges" VALUES(26,2,18);
INSERT INTO "auth_edges" VALUES(26,2,23);
INSERT INTO "auth_edges" VALUES(27,2,16);
INSERT INTO "auth_edges" VALUES(27,2,17);
INSERT INTO "auth_edges" VALUES(27,2,18);
INSERT INTO "auth_edges" VALUES(28,2,16);
INSERT INTO "auth_edges" VALUES(28,2,18);
INSERT INTO "auth_edges" VALUES(28,2,23);
INSERT INTO "auth_edges" VALUES(29,2,16);
INSERT INTO "auth_edges" VALUES(29,2,17);
INSERT INTO "auth_edges" VALUES(29,2,18);
INSERT INTO "auth_edges" VALUES(30,2,16);
INSERT INTO "auth_edges" VALUES(30,2,17);
INSERT INTO "auth_edges" VALUES(30,2,18);
INSERT INTO "auth_edges" VALUES(33,3,32);
INSERT INTO "auth_edges" VALUES(34,3,32);
INSERT INTO "auth_edges" VALUES(34,3,33);
INSERT INTO "auth_edges" VALUES(35,3,32);
INSERT INTO "auth_edges" VALUES(35,3,33);
INSERT INTO "auth_edges" VALUES(36,3,32);
INSERT INTO "auth_edges" VALUES(36,3,33);
INSERT INTO "auth_edges" VALUES(37,3,32);
INSERT INTO "auth_edges" VALUES(37,3,33);
INSERT INTO "auth_edges" VALUES(38,3,33);
INSERT INTO "auth_edges" VALUES(38,3,35);
INSERT INTO "auth_edges" VALUES(39,3,33);
INSERT INTO "auth_edges" VALUES(39,3,38);
INSERT INTO "auth_edges" VALUES(40,3,32);
INSERT INTO "auth_edges" VALUES(40,3,33);
INSERT INTO "auth_edges" VALUES(41,3,33);
INSERT INTO "auth_edges" VALUES(41,3,38);
INSERT INTO "auth_edges" VALUES(42,3,32);
INSERT INTO "auth_edges" VALUES(42,3,33);
INSERT INTO "auth_edges" VALUES(43,3,33);
INSERT INTO "auth_edges" VALUES(43,3,38);
INSERT INTO "auth_edges" VALUES(44,3,32);
INSERT INTO "auth_edges" VALUES(44,3,33);
INSERT INTO "auth_edges" VALUES(45,3,32);
INSERT INTO "auth_edges" VALUES(45,3,33);
INSERT INTO "auth_edges" VALUES(46,2,16);
INSERT INTO "auth_edges" VALUES(46,2,18);
INSERT INTO "auth_edges" VALUES(46,2,23);
INSERT INTO "auth_edges" VALUES(47,1,1);
INSERT INTO "auth_edges" VALUES(47,1,2);
INSERT INTO "auth_edges" VALUES(47,1,3);
INSERT INTO "auth_edges" VALUES(47,1,5);
INSERT INTO "auth_edges" VALUES(48,2,16);
INSERT INTO "auth_edges" VALUES(48,2,17);
INSERT INTO "auth_edges" VALUES(48,2,18);
INSERT INTO "auth_edges" VALUES(48,2,20);
INSERT INTO "auth_edges" VALUES(49,3,32);
INSERT INTO "auth_edges" VALUES(49,3,33);
INSERT INTO "auth_edges" VALUES(49,3,35);
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
INSERT INTO "bodies" VALUES(1,1,'m.room.create','','@alice:a.test',1795877173676,0,0,NULL,'{"auth_events":[],"content":{"creator":"@alice:a.test","room_version":"1"},"depth":1,"event_id":"$Aga7TN0U7BZQ6M48MqAxAO:a.test","hashes":{"sha256":"LeSeE6RrbqK47BDB0bctvXUeN2/cuFa12xv2e6L4Aoo"},"origin_server_ts":1795877173676,"prev_events":[],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"t/tOB8ngo3+o0q77eY8YIlYHeUG1qNdcj5pFQerCbn9U34lbXRvVDuzM1aCGyRe6ys6nl6ZaQjnzTE5E12boAg"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(2,1,'m.room.member','@alice:a.test','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"displayname":"alice","membership":"join"},"depth":2,"event_id":"$hhdJSyEvlQGSkV5NfHyc1B:a.test","hashes":{"sha256":"PMU0wKulIzAet4ZrLOOUkyuZqfB/qU3RPJ/tg8S6A7o"},"origin_server_ts":1795877173677,"prev_events":[["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"sIjR7t1HtLKV2Rkmpf7mJmswlKWBO+Xal1+NtyA9Ou2qlfj7BsR+B0m54OgJVOMyJZtZdTlsu5s3Sf8t5wiABw"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(3,1,'m.room.power_levels','','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":100},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{"@alice:a.test":100},"users_default":0},"depth":3,"event_id":"$4QQU3Id1UGRTZeXPGKXuoQ:a.test","hashes":{"sha256":"RKoq4UnGkV/cuVFn/i+VTwiL02i4kNwmEOjiy3VzbR4"},"origin_server_ts":1795877173677,"prev_events":[["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"Vprcr8ws4eejNEs/XwL8DizNFiwiMSJaK8H+/+E3qc9Ugzlt0o4GQpdt14eUhH/9yy8ZxYHfiKK97KHwkI67CQ"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(4,1,'m.room.canonical_alias','','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"alias":"#v1:a.test"},"depth":4,"event_id":"$6N5WhNVEV3NHXET1fEUGcD:a.test","hashes":{"sha256":"D+Coy6xTH7SFygF6QLGi1PRfsvS7ig0gWfyXjWQn2U4"},"origin_server_ts":1795877173677,"prev_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"0Vqn+orxGMC8Bt6dajXSh1ank3DxiD8F5Pvr99ygVKLkuST94mdmlT2TVnF7jPr4XWJBxWDJhtlz21liFASRBw"}},"state_key":"","type":"m.room.canonical_alias"}');
INSERT INTO "bodies" VALUES(5,1,'m.room.join_rules','','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"join_rule":"public"},"depth":5,"event_id":"$ZxnuJsuDWEbJeoG0FhWFZ9:a.test","hashes":{"sha256":"a2ag7YiIdfkNu+J144v3R/c6L8PUtpAILnEogv8hGT0"},"origin_server_ts":1795877173677,"prev_events":[["$6N5WhNVEV3NHXET1fEUGcD:a.test",{"sha256":"2uNJNkEYW5Ysi80ecM6DfduEToKrcIDtYAIZ2c9iUeE"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"7ihMl0c7e4TwDoyrt/d1mIara5Z/PcgmDqijHwrkhJsrlEYCKPaaMMzoVBrF/IOPMcpi+/RzC4FgyiCi7IpcDQ"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(6,1,'m.room.history_visibility','','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"history_visibility":"shared"},"depth":6,"event_id":"$GJ68wJCa9RaIsPvCryZnCE:a.test","hashes":{"sha256":"xul5wzT8m/hiUShYBqXnibdYZGsfd5XQpDMmv5peV64"},"origin_server_ts":1795877173677,"prev_events":[["$ZxnuJsuDWEbJeoG0FhWFZ9:a.test",{"sha256":"TKSuSJB7QIeHBt75LYCJV7mr2dKJHeaF2F2e8nKECsw"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"E6PSnFM1ya15/ZlZb29K2/5QQbshuulEUZhkTZ3FXbmMTSbPg9Pabkjeqsr+pZ5CUeGqwY9vDKpoX9mKldMzBw"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(7,1,'m.room.name','','@alice:a.test',1795877173677,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"name":"Version 1"},"depth":7,"event_id":"$zBH46OocRKSe8huKHhAJZs:a.test","hashes":{"sha256":"2ehAB022CDEqoDexHLm7J/poFzsSD1mF/5HijJNAfas"},"origin_server_ts":1795877173677,"prev_events":[["$GJ68wJCa9RaIsPvCryZnCE:a.test",{"sha256":"JbKkK+g7TXQNHAiSifFYcHriwUN80EFmwUQoUafOoqw"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"V/Nl3zWwpNsrQsCpOqHExXTbP2UG26xdVYMzpCTnjrOipGc7c36LGuTBpdUnr/+sy3370GFdH8wWUEtZtqL3DQ"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(8,1,'m.room.member','@bob:a.test','@bob:a.test',1795877173681,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}],["$ZxnuJsuDWEbJeoG0FhWFZ9:a.test",{"sha256":"TKSuSJB7QIeHBt75LYCJV7mr2dKJHeaF2F2e8nKECsw"}]],"content":{"displayname":"bob","membership":"join"},"depth":8,"event_id":"$uVA4gyxnMrFJuZ7epu13qq:a.test","hashes":{"sha256":"O1HL+XvZqPDUIr2Dd9R1XsOcl/uSDwfc23ZEfDGhxS4"},"origin_server_ts":1795877173681,"prev_events":[["$zBH46OocRKSe8huKHhAJZs:a.test",{"sha256":"rurc8A5MWcb0tJi0zFv0nbWTWyehfjdvt6Og2F9A1XU"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"VONQhXEETywcKUapeVdEZHOe0e0eZV8oeiojT5K9qsUuWYhS25jDXqmsH5q2/tXu8UFomIUgSHHlBxN4wcx5Cw"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(9,1,'m.room.message',NULL,'@bob:a.test',1795877173684,0,0,14,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$uVA4gyxnMrFJuZ7epu13qq:a.test",{"sha256":"xp5mZWZxmGx83asgKrrlZfemYeLRA+woEmj1l/JIKFw"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"event_id":"$fEJOI5o8bH2WV69Oudeg42:a.test","hashes":{"sha256":"SR3NPPzK1Ml5hUAwoWz2/SSSJkGFSukoZgyUDPao9O8"},"origin_server_ts":1795877173684,"prev_events":[["$uVA4gyxnMrFJuZ7epu13qq:a.test",{"sha256":"xp5mZWZxmGx83asgKrrlZfemYeLRA+woEmj1l/JIKFw"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"aYZnKomIkJGkiM4FLNm4uaTeBM7IrdTyIfse4yB1EFruUnQUPtQN0ztoWKO7kx34T9NEZEzQMnPgYsqht2X1CA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(10,1,'m.room.message',NULL,'@alice:a.test',1795877173686,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"event_id":"$f4x2nnSMiBzI9MWA9Bv6HC:a.test","hashes":{"sha256":"C8TZjDFZNqmf0ufegmQS2jFk8EGkUlTCzBEJ43i8eVc"},"origin_server_ts":1795877173686,"prev_events":[["$fEJOI5o8bH2WV69Oudeg42:a.test",{"sha256":"9a+sXyxdkw+0Jjtc0CTi3/nyz+CeO0hc9l3bDoRMPpw"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"OHntD/4ENsOKcqPt5MlLsPVR3eX2Nd+2NR15Y543Om5Xhr3r0suy//N+6sVwyqwxF+RGLfRqCToDX345DGKNAg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(11,1,'m.room.message',NULL,'@bob:a.test',1795877173688,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$uVA4gyxnMrFJuZ7epu13qq:a.test",{"sha256":"xp5mZWZxmGx83asgKrrlZfemYeLRA+woEmj1l/JIKFw"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"event_id":"$4xUWnebqYbc7ozQTy4lJ0m:a.test","hashes":{"sha256":"eDPM6gVjXgRWLw9PbJTzu/mk4iaQoSsgd1f326X4Nw0"},"origin_server_ts":1795877173688,"prev_events":[["$f4x2nnSMiBzI9MWA9Bv6HC:a.test",{"sha256":"efZwa3XuZniUIGmSDGISehZUdCGOfxWpm0CWsZoEVxA"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"Pxd/OKo1Y3HeOzGQB5R8Wurcy+D8ErLg5G1REtbmRVMB8DtY8nrzYmOmdRCnPRtYEFr8inWgWEjWxdD+co0DBQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(12,1,'m.room.message',NULL,'@alice:a.test',1795877173690,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"event_id":"$DBq4hWtw7BfpSRP3nWAkBe:a.test","hashes":{"sha256":"flh2xZ4Gd6nTJaZAfVDegg4aDDyTTH5s16OZ9ZaC5uo"},"origin_server_ts":1795877173690,"prev_events":[["$4xUWnebqYbc7ozQTy4lJ0m:a.test",{"sha256":"OeZHe2kLhWOxbkaJ5cAFYXL6bAX1n5LFV5C+G0HINsE"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"ZNRafUPxzPLlctUxqyaPtsPKXATi4mXKqKKKoVgWDRF8SNYPU6c0DH/jKZsxOnVzBHCT79uFrSBLpn2bfTDfAw"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(13,1,'m.room.message',NULL,'@bob:a.test',1795877173692,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$uVA4gyxnMrFJuZ7epu13qq:a.test",{"sha256":"xp5mZWZxmGx83asgKrrlZfemYeLRA+woEmj1l/JIKFw"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"event_id":"$HkYpi9EIkj5tzmtJoUT9PD:a.test","hashes":{"sha256":"fP8nKhtELMp2VOYresou2hFBnCTUtbAslkn4otEQsl4"},"origin_server_ts":1795877173692,"prev_events":[["$DBq4hWtw7BfpSRP3nWAkBe:a.test",{"sha256":"Io/6JT1iHJ7czFpyXjZRf6KNIiKnoprh+jtzYN4RoeQ"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"5cfuq+oFGMAkomvVbvs8XVnZ9USIaWORYoYViPD45gJIpMf2ZyMgnEiK4Sty0RAWBOli3x6e0TAUMc/zkv7hBQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(14,1,'m.room.redaction',NULL,'@alice:a.test',1795877173693,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"reason":"wrong"},"depth":14,"event_id":"$0ZSs362OZd3NZXktqXLd7R:a.test","hashes":{"sha256":"jJ/0h26bUSQcFDQNA3wtmEt3HF7xn0DSbukkvwqwc1U"},"origin_server_ts":1795877173693,"prev_events":[["$HkYpi9EIkj5tzmtJoUT9PD:a.test",{"sha256":"ssdGJRPffHcbLlLqyrKUMRSpHtRj4KtqLvxJNsdbbww"}]],"redacts":"$fEJOI5o8bH2WV69Oudeg42:a.test","room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"2jmr494Awi/MXNhX/RYhETq1b9Qbz31Ompr3s3CjbXwmAs3g0sYA/elGt2gyJ/YuSyeIGAzFCgmg4fwpqT2KBw"}},"type":"m.room.redaction"}');
INSERT INTO "bodies" VALUES(15,1,'m.room.topic','','@alice:a.test',1795877173702,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}]],"content":{"topic":"of version 1"},"depth":15,"event_id":"$li6EYqvnbvUsm4bwj5akWz:a.test","hashes":{"sha256":"/joolFENQSyEsGz5EdKfFdlFSoul6P6/UAu2CJ+r+PI"},"origin_server_ts":1795877173702,"prev_events":[["$0ZSs362OZd3NZXktqXLd7R:a.test",{"sha256":"65mAnQukmO53RySZTbKmMjuEUPVqt/SDyp3qL5SLIWk"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"IQbKJ/Iw7gY3mCo7ziO2tNnhxHO/qn5M/WVUsdmx0nFRrlDRxYHe+eWCU/itmtZqTJ3qJG/q2/rATNTQrxqvCA"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(16,2,'m.room.create','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":[],"content":{"creator":"@alice:a.test","room_version":"6"},"depth":1,"hashes":{"sha256":"XXFRBdEIQFbNRF1DgBYd1/CUPTRWuo672dDY1CMQimk"},"origin_server_ts":1795877173714,"prev_events":[],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"J2bwIeMHBjTAqrJjQyJ5Hze017rDAEazB76hG6vcjZXJhyT8+yfqk1/x+NrZO3oNpRCWgjcnjhC3HSQatW7LCg"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(17,2,'m.room.member','@alice:a.test','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"displayname":"alice","membership":"join"},"depth":2,"hashes":{"sha256":"7yri8+gJSNDaAuPk4TCyiOeItwxqo6ORQYRd6tpg9dE"},"origin_server_ts":1795877173714,"prev_events":["$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"Ni7x5MFyK0Za1N2GmXhNQ+WptNPuymv2cpFe/XDQECkW8i1sftsxPogHGhxEJDDq3yMB8aYNWlIANnHLJ2+4BQ"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(18,2,'m.room.power_levels','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":100},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{"@alice:a.test":100},"users_default":0},"depth":3,"hashes":{"sha256":"R41Cds5HqNUs/jVAuNtwWX2z4c3PG6nB15EmqHPC6XI"},"origin_server_ts":1795877173714,"prev_events":["$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"XevlMuL2ant0PGy+5L/cBC/9ttyCuCj562AHQx9QCSSK7bcE/Cd20nxtElBlbftwHbdjF8S41BtsYa34SRXrAw"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(19,2,'m.room.canonical_alias','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"alias":"#v6:a.test"},"depth":4,"hashes":{"sha256":"hMsbxJxOIY5r5iyZgzjFeM2fdaiSu0zi9CZSO5CR0N4"},"origin_server_ts":1795877173714,"prev_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"8Eu9hLLvvPIMKRscH2q8LC/b3SygjVQVAMiVNMKPTOhjUYFfMAjSwYl0H/fzdBAZfrj720exeJP+cxD3XEMgBQ"}},"state_key":"","type":"m.room.canonical_alias"}');
INSERT INTO "bodies" VALUES(20,2,'m.room.join_rules','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"join_rule":"public"},"depth":5,"hashes":{"sha256":"jRF/AxLMMM/lJuOZavNnkk8xFlWoIIo6EakC7eqaYoQ"},"origin_server_ts":1795877173714,"prev_events":["$f6bpSEB43flgV2Wa20q_p69T--l-01G6096qJl9pGJ8"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"FTqrj64eXb9mr7Z3IW7vBFG1wLfwDawfjWYM/Kh5hKmnlkP2GGm3U+BZdLKz/BQkLMFmpp2qfgjqhSbER/sbAg"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(21,2,'m.room.history_visibility','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"history_visibility":"shared"},"depth":6,"hashes":{"sha256":"FKNT9g2rbPAVtC4NT6Mh+lAArXqB4qdZXiUnC/mvmHM"},"origin_server_ts":1795877173714,"prev_events":["$oLXr_pE-curKiBRxAgdgFjzwpTUGTZ5BAvhXNvL0WZ8"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"oC4kpZpUNeD9fLfaU5DGMAlmhVwDj7psn1F8fFvRwFakKJnwDO2zjTLD564bQCHktCRMvs9Lh8o/PDyQiBlhAQ"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(22,2,'m.room.name','','@alice:a.test',1795877173714,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"name":"Version 6"},"depth":7,"hashes":{"sha256":"QJtGd70WmoVmFJaKXsmphQPcPMDvhNVHcNFp4ME6t98"},"origin_server_ts":1795877173714,"prev_events":["$ZOy7oeVxtFZWdcFn4FUyr-NxUU7irkzV39My4mtbHgo"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"ZyObwcKLmH+LcXYfkyuBNvoCZwkbnEcCTD/1fpmcApoipRuD+kdO0p7fgZapG8Fk9L4xwmoG2DftSZ2Fq/2/CA"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(23,2,'m.room.member','@bob:a.test','@bob:a.test',1795877173722,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8","$oLXr_pE-curKiBRxAgdgFjzwpTUGTZ5BAvhXNvL0WZ8"],"content":{"displayname":"bob","membership":"join"},"depth":8,"hashes":{"sha256":"hPMN407QKj63mnL67vaGyP50S5zpnbIZ/ECU4xFFIc0"},"origin_server_ts":1795877173722,"prev_events":["$X7soeZPFUd-Ecu_b1Xp3jpzL0y8irFRFIfHtUe4M4tI"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"4elQBbN11ZJtKM4K71gsAJLjoj+r0yKwN5HbvhyJAuBvcOCdz3LeDS3B97t4XYKCJuZmLZXhPjnarlNw45XPAg"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(24,2,'m.room.message',NULL,'@bob:a.test',1795877173723,0,0,29,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"hashes":{"sha256":"97SimNeogx2gx3KJnykKgjdLaiDGZeWdNJ8UCIG1r54"},"origin_server_ts":1795877173723,"prev_events":["$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"hXxLWl3UmD1zeQp3WFwGVczBXkP6MQSKgdir+uyBynub7bUhZh1gzhPiivpas6tWa2jCSbO/Wc7QF1aKG5JXAA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(25,2,'m.room.message',NULL,'@alice:a.test',1795877173725,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"hashes":{"sha256":"bZfhD42Nlp1zNXP17+XFW2zzbx+dTbXyyIohQsUen14"},"origin_server_ts":1795877173725,"prev_events":["$l8KLL_Ic-QTvKiACSMlBWUT9J7XJ4efMRx2f-b7y1d8"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"QqoXsV7brjFBKG6Ije6tQCJAoXRAQD2R1YdbnrWgBff17wyXC7IGoUbXF2aulN/OA5jYx6KyxPmNIs0lkF4eAQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(26,2,'m.room.message',NULL,'@bob:a.test',1795877173730,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"hashes":{"sha256":"irWYsBDKffmXdo3h3vONJDfT2xsedeOTgKrtbL+9SmI"},"origin_server_ts":1795877173730,"prev_events":["$iafY0UrgwvOCJcPkF3A76N5Ys65iCOmlXJyI6hzylSg"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"/UA7jYoQcqrjthlT6r/ylYdn7aeNhgpt5guGD81G2qOSkTX4ovnaXxIkJ05IR2S12iLqJ0i+H7j38y1vLuTSCQ"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(27,2,'m.room.message',NULL,'@alice:a.test',1795877173732,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"hashes":{"sha256":"BW8+7e1lJraagLUqkVi9F3NMln08Wzxa/+F+SNt4T1I"},"origin_server_ts":1795877173732,"prev_events":["$AgfPoNusSBc4yOAbMygGiCggnYv9ttG1wpYmdYhGhZ0"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"MUULsbTiVz3h29sMgE3fAHKZ/5mcKYhUXULDWt5Mg/tjtAp/jdP9GCk7jZyL39dO1qz/n8GU/lrfoD21pD0gDA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(28,2,'m.room.message',NULL,'@bob:a.test',1795877173734,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"hashes":{"sha256":"d0XmGEpIzR4vPK41KcDXjx9S9yr0uvjYR/WlicM3x9I"},"origin_server_ts":1795877173734,"prev_events":["$tqX4bYE3-lU1fSKuWnyY2etLZJPV2cFDvmVu94Mdx3Y"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"d774sJ8uo3UP6HrJJs/akUa0/9qOsD8w25ETFFWhp1OOkicj6a8Zc5T+3g9MD+P2IDPMpd5W0uGE50apognXBg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(29,2,'m.room.redaction',NULL,'@alice:a.test',1795877173735,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"reason":"wrong"},"depth":14,"hashes":{"sha256":"aElYTbGKu9l1s32Fvo7IVOnqgcwM5kioZaqDKrUqkwM"},"origin_server_ts":1795877173735,"prev_events":["$lSn9BhwNUqIXGcIp7GSQkGQdJlddrIaVtlRn1r_RxDM"],"redacts":"$l8KLL_Ic-QTvKiACSMlBWUT9J7XJ4efMRx2f-b7y1d8","room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"/K7t5MnRQZ0jlTkqriPcYWyc0X6dSDyI1cOpiV/zkni/ujbLVIfAC/8y8yRE+Z5U3ZzoJqhKtZlLiIRJtTbyAw"}},"type":"m.room.redaction"}');
INSERT INTO "bodies" VALUES(30,2,'m.room.topic','','@alice:a.test',1795877173744,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"topic":"of version 6"},"depth":15,"hashes":{"sha256":"uHhwULu7hiNzCA8MSw/9KYI52wf5wD23TfRx5nBqQdc"},"origin_server_ts":1795877173744,"prev_events":["$rDNtTh6UYNbghc1-75QusJ6RHsKJUMfrXB3wJEGeZgM"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"/mEUM2N81IeuQ1/udu45vq4yign4Xd1qNoMqDChkrbAzxz6NIG/vHx4AEFcf/eodSPVb+tFQ7GvTAnAIoBjrCw"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(31,3,'m.room.create','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":[],"content":{"room_version":"12"},"depth":1,"hashes":{"sha256":"xxrTY+XzrXJvPGbxGyFbuuGGFhHCrHCSFUahvW3uu30"},"origin_server_ts":1795877173750,"prev_events":[],"sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"GmnBX0luOLSSfN8HiP7q8/A75h9DI+Jimi/H+rcn4m7Qt5SQHqc8QWthQXahoCAVPPFDSXsLJzQnILRqULPADg"}},"state_key":"","type":"m.room.create"}');
INSERT INTO "bodies" VALUES(32,3,'m.room.member','@alice:a.test','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":[],"content":{"displayname":"alice","membership":"join"},"depth":2,"hashes":{"sha256":"cJw8RaCXO5u2oxrf3Yor/2CGS0PDDSTrObAumk7YVAc"},"origin_server_ts":1795877173750,"prev_events":["$9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"UUQChNUutiUiZ0CNbJtOgbatZ+ndvzI4JApKXt0F5KT3jhR8wkVu6cWIgQM8cATtfDr9X9UrYVRu51lykoREBA"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(33,3,'m.room.power_levels','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":["$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":150},"events_default":0,"historical":100,"invite":0,"kick":50,"redact":50,"state_default":50,"users":{},"users_default":0},"depth":3,"hashes":{"sha256":"l2dyFsuvO5YmL9xC16WYeK3JVIIEZjDUYjBKfBswjEE"},"origin_server_ts":1795877173750,"prev_events":["$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"Bp2PsDzHrv3bCENjaO5T3iKdhFQ/bp0T7dKeWEvR6jouN44gFEN75O0t8no4BzzarLQDhg+Nz5BrjtZDDiQKDg"}},"state_key":"","type":"m.room.power_levels"}');
INSERT INTO "bodies" VALUES(34,3,'m.room.canonical_alias','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"alias":"#v12:a.test"},"depth":4,"hashes":{"sha256":"Svl0H/ehUdL0SAuCNbAAhnd64yrVgeaV/Wff7FqbSKE"},"origin_server_ts":1795877173750,"prev_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"UAeBY9TkkTS7zFjz5VXl0rHAg5HWKgqGIM76eEZX6PRijOcD4JM57vE24/GgvmpEdfp70BVbNGKpgKXyfwg1Ag"}},"state_key":"","type":"m.room.canonical_alias"}');
INSERT INTO "bodies" VALUES(35,3,'m.room.join_rules','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"join_rule":"public"},"depth":5,"hashes":{"sha256":"/4PsMrVFf9FNIWDK1cBRronBYbYKKGLJG1eNTtzArlA"},"origin_server_ts":1795877173750,"prev_events":["$hBZiPa-Vvr8wLvxZ1fTy-K8nc5u9883FN3BtrCBICk8"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"LoEltkwYKUot3/9PY9aqgqRW2MkvC10p+Ot2rMTdTWT+Gxja+2aTotMc+Izth4NYjV/n3eZL7jlTu1r4MNVlCg"}},"state_key":"","type":"m.room.join_rules"}');
INSERT INTO "bodies" VALUES(36,3,'m.room.history_visibility','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"history_visibility":"shared"},"depth":6,"hashes":{"sha256":"ObZ+304ovPng+2M+KbQPKnkD39gFe/PLLOc3UZk6+NI"},"origin_server_ts":1795877173750,"prev_events":["$Dmvd1pnPbKYMrN_-2WVyTIpD-hXyEt_cHyqRfY0swXE"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"7ARDLHIcn+p9tMZC0Ur4KM5FAFCZmLTXeAE6lssSNqTz/nCCEmlygc2fkiObge7YCbC9Bn3TijihxkNvjCkRDQ"}},"state_key":"","type":"m.room.history_visibility"}');
INSERT INTO "bodies" VALUES(37,3,'m.room.name','','@alice:a.test',1795877173750,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"name":"Version 12"},"depth":7,"hashes":{"sha256":"9P5Dc3gzIP2BeWa3SNNsTt41SwSuxlnF/ZB8+791wfI"},"origin_server_ts":1795877173750,"prev_events":["$0HNUbdZyNfdUBq1d_HAp1jPa0GRHtyM4oNnis3Y_sY8"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"5TvQf5H01OtJF9/MfGxC6ZyvLH7+oH/YXmv1McC4m0IxRFY5uv+2s+rCN3joFC3339+zx7A5CGMgkxL/t58ADw"}},"state_key":"","type":"m.room.name"}');
INSERT INTO "bodies" VALUES(38,3,'m.room.member','@bob:a.test','@bob:a.test',1795877173753,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$Dmvd1pnPbKYMrN_-2WVyTIpD-hXyEt_cHyqRfY0swXE"],"content":{"displayname":"bob","membership":"join"},"depth":8,"hashes":{"sha256":"g0CorZO1XVeanLiiUlCSkDQysqW+FkL+t0UL5cGQoyU"},"origin_server_ts":1795877173753,"prev_events":["$G4dDZF8mqMmymFTy0n90o5RjnXyDGVftccpfYuanXIU"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"zy8ScUsZazw7z3qWrfRMAeCJGMfB+wmlwxiUb/cOM2JxFM+gzfWw+zByh6i8hZmNZMG9FoiodssR9skM2iIhDg"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(39,3,'m.room.message',NULL,'@bob:a.test',1795877173754,0,0,44,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$RvxgH_ryM7Tawue-E-sgydY7uyR3Jril5e1kDr-UZeU"],"content":{"body":"message 0","msgtype":"m.text"},"depth":9,"hashes":{"sha256":"VHxAVCkCInCNSAFHngPRgOF/DRbGAZl/FHg+H1LhQCs"},"origin_server_ts":1795877173754,"prev_events":["$RvxgH_ryM7Tawue-E-sgydY7uyR3Jril5e1kDr-UZeU"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"Z9yxqLZnOKuXZJmkBiQ2OIPElgmu31BW0pbR/vgulWsOR2JI5w8xumaeaZBC0B7rTgWIk/L7Cc7CeSFkoelfAg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(40,3,'m.room.message',NULL,'@alice:a.test',1795877173756,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"body":"message 1","msgtype":"m.text"},"depth":10,"hashes":{"sha256":"M5dQnMFYnEXoI6oQ7lOJsD3kkQHok/8WxIzgrYd8jBc"},"origin_server_ts":1795877173756,"prev_events":["$Ioj6MRILehZNDP13pzsF5ZP6sxpH37LRi2KmlOb8c8U"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"rCPLD7BI/Ihpg950gmZuoWBgDQOjK4xdWFYsYu0ACTw8b9B5brZn9qqEZCQylhkpgQXUyKC/I5TREYOP0MAhCg"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(41,3,'m.room.message',NULL,'@bob:a.test',1795877173757,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$RvxgH_ryM7Tawue-E-sgydY7uyR3Jril5e1kDr-UZeU"],"content":{"body":"message 2","msgtype":"m.text"},"depth":11,"hashes":{"sha256":"yRWLXmxu3P+QX7BC11abgmjlO59LJrrlhoNK/aTFaHM"},"origin_server_ts":1795877173757,"prev_events":["$XG_RlY-IumMA5wHia7FnwiYorhpirBb8UBmcpJK_S2U"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"TtkYIZZCEF5MDmct3LpaFqu/TmDixaBSCU2ZLiz3iUZo7lSIBtgGuzB1QzoXSgpiaat8vk1f5HInLZBbnnqzAA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(42,3,'m.room.message',NULL,'@alice:a.test',1795877173758,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"body":"message 3","msgtype":"m.text"},"depth":12,"hashes":{"sha256":"uIdQ7Bgps4xBfYBqsHlSft6HgkgVFhvCuTKrODdmXts"},"origin_server_ts":1795877173758,"prev_events":["$wMq7_ilRyjJm4tsb56R2GhmdfsLG1w3N4j7lwURJQjM"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"FReXVsH9tFWw1Ke15heXrlkAM8SNd6vvOdGCJxnA8YAg3bORlHVGiyCnf8zc42HttRBcwNzVTD1SaAGkrMSZAA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(43,3,'m.room.message',NULL,'@bob:a.test',1795877173760,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$RvxgH_ryM7Tawue-E-sgydY7uyR3Jril5e1kDr-UZeU"],"content":{"body":"message 4","msgtype":"m.text"},"depth":13,"hashes":{"sha256":"o6RxfIrQmY50lMsV25wwZDn9zdaPgCqM81WuC9n79tU"},"origin_server_ts":1795877173760,"prev_events":["$GxvI-8txnNyoWdzFRXumw9yhxKu5a4fK7ExHeRsH4FQ"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"+Z9MD+Dh4fQbrOuzt9R4k8PPXI8G/Z1ulda/ViFE7Yz/krNBvhToFH5aE9LXixtieX0KgcRTV7MBxIUruzRVBA"}},"type":"m.room.message"}');
INSERT INTO "bodies" VALUES(44,3,'m.room.redaction',NULL,'@alice:a.test',1795877173766,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"reason":"wrong","redacts":"$Ioj6MRILehZNDP13pzsF5ZP6sxpH37LRi2KmlOb8c8U"},"depth":14,"hashes":{"sha256":"6hXbVLBJQNVRL4UM78vW9V8GVoecPVaeaYrNyolLmc4"},"origin_server_ts":1795877173766,"prev_events":["$EfydnS5TF3FS-AVnDkSQvN1F8oeBogmQ4FqyL61LlJA"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"oVyvFwSPYO2cqAJB1sRNyqyx33Hv9KHwGm4xe66O0v8VxOTs7U5TG05CVJmAdC7RHI3khxZgJoGWjj7P2WcaCA"}},"type":"m.room.redaction"}');
INSERT INTO "bodies" VALUES(45,3,'m.room.topic','','@alice:a.test',1795877173768,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU"],"content":{"topic":"of version 12"},"depth":15,"hashes":{"sha256":"hD0CjkLsCAMq8T6aSKN8A9TNQk9J1DaI0ILXbPcwDZI"},"origin_server_ts":1795877173768,"prev_events":["$MdJTeRyXl84EpSTFsr1kWKHKaw5FgGGiei0uQhJ4pkc"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"VBY1v+fJB/9WvmK1jM4BPOVi1dgzmyhXu8N6OD5b7iwLk9/Yj/VaRv9+4MzOKKb1ESM6ZqDro1+4zjYuM6kaCw"}},"state_key":"","type":"m.room.topic"}');
INSERT INTO "bodies" VALUES(46,2,'m.room.member','@bob:a.test','@bob:a.test',1795877173770,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8"],"content":{"membership":"leave"},"depth":16,"hashes":{"sha256":"D0oO472aGHSRm7KsZeJEYrnoUKx8Mz5BBGw8N/BZj4M"},"origin_server_ts":1795877173770,"prev_events":["$H66i5GuYKyL58HwS-4t5cgLiVHKUmDH6eP1mw7Twej4"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@bob:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"hrfCKJPiL0kv3VgCTSs2yX54U790jhiQOma2ezNYZfl1hSDEtl8jd2HTa1UXgg09pNRz8jGP1Sn865Enlh/jBQ"}},"state_key":"@bob:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(47,1,'m.room.member','@alice:a.test','@alice:a.test',1795877173772,0,0,NULL,'{"auth_events":[["$4QQU3Id1UGRTZeXPGKXuoQ:a.test",{"sha256":"UJT/x7exdavyeLgIe5xj073XUkfDjO8gQLQpbCeVVIU"}],["$hhdJSyEvlQGSkV5NfHyc1B:a.test",{"sha256":"Oyrxig5e+sAzSvSgJoycgBXzyNDnyOcHEM4bQUzGkBY"}],["$Aga7TN0U7BZQ6M48MqAxAO:a.test",{"sha256":"8+5B6UyMTnbbdfMRmlWz5vz39eFKso8fvIHfGOTalmg"}],["$ZxnuJsuDWEbJeoG0FhWFZ9:a.test",{"sha256":"TKSuSJB7QIeHBt75LYCJV7mr2dKJHeaF2F2e8nKECsw"}]],"content":{"displayname":"Alice","membership":"join"},"depth":16,"event_id":"$RC5jFQvi50iKBRC2QmVUMa:a.test","hashes":{"sha256":"0cTcTzI/H0QfEBgdVGRmcyG60+r5fUhFMZ/9RP8512k"},"origin_server_ts":1795877173772,"prev_events":[["$li6EYqvnbvUsm4bwj5akWz:a.test",{"sha256":"vgTeTVqezhJMtiwQP6mPH9jGsmDoJo9QkA/vS9D6Nu4"}]],"room_id":"!GcLZaoOWcW5bz3YpVu:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"A0bj9xqhDP80HWHJP1NFhZ8NN6Xxo5WhNEdPwTuK08E02AxXtSeuju0JDwYV/GiCLMxqHbkS6UFvYpC9NYeqCQ"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(48,2,'m.room.member','@alice:a.test','@alice:a.test',1795877173774,0,0,NULL,'{"auth_events":["$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE","$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE","$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8","$oLXr_pE-curKiBRxAgdgFjzwpTUGTZ5BAvhXNvL0WZ8"],"content":{"displayname":"Alice","membership":"join"},"depth":17,"hashes":{"sha256":"wvWvMga8fwrEZbrAJlGqQ+UIw3M4tD005p14Ofkf+a0"},"origin_server_ts":1795877173774,"prev_events":["$FPQB7Knhu4Uy-WAt1RIiBzTQA3Zo_zinW5GkAOvNCak"],"room_id":"!m3Y5HVXzklRSUPBvml:a.test","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"AFd/7BLLtCWmY2us3maJJQp1vcJWCvwwUI3FD4rW1dx9qA4Uu7NAsGn6BB5ioIqv7BTpTkJg1uIs4j3TJIdsAg"}},"state_key":"@alice:a.test","type":"m.room.member"}');
INSERT INTO "bodies" VALUES(49,3,'m.room.member','@alice:a.test','@alice:a.test',1795877173777,0,0,NULL,'{"auth_events":["$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI","$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU","$Dmvd1pnPbKYMrN_-2WVyTIpD-hXyEt_cHyqRfY0swXE"],"content":{"displayname":"Alice","membership":"join"},"depth":16,"hashes":{"sha256":"dgZrherHKX5EJqurV0HTNhTWuvfX4khmN4uOWmMBv0c"},"origin_server_ts":1795877173777,"prev_events":["$E8MRztDMXJigIlvBeVuVGslARAgPX_SWzDRwrZJqZXI"],"room_id":"!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw","sender":"@alice:a.test","signatures":{"a.test":{"ed25519:a_b5ET":"F248QLsYJS//M8qRhAZU6BkvJi/rkeRR2iqqkE7Jud1jTYVuc7g23zBmalqq5gUjm1SE9Do66RRBC2aVHOmuBw"}},"state_key":"@alice:a.test","type":"m.room.member"}');
CREATE TABLE client_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, scope, transaction_id)
);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !GcLZaoOWcW5bz3YpVu:a.test','t1-0','$fEJOI5o8bH2WV69Oudeg42:a.test',1795877173684);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !GcLZaoOWcW5bz3YpVu:a.test','t1-1','$f4x2nnSMiBzI9MWA9Bv6HC:a.test',1795877173686);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !GcLZaoOWcW5bz3YpVu:a.test','t1-2','$4xUWnebqYbc7ozQTy4lJ0m:a.test',1795877173688);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !GcLZaoOWcW5bz3YpVu:a.test','t1-3','$DBq4hWtw7BfpSRP3nWAkBe:a.test',1795877173690);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !GcLZaoOWcW5bz3YpVu:a.test','t1-4','$HkYpi9EIkj5tzmtJoUT9PD:a.test',1795877173691);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !GcLZaoOWcW5bz3YpVu:a.test','r1','$0ZSs362OZd3NZXktqXLd7R:a.test',1795877173693);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !m3Y5HVXzklRSUPBvml:a.test','t6-0','$l8KLL_Ic-QTvKiACSMlBWUT9J7XJ4efMRx2f-b7y1d8',1795877173723);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !m3Y5HVXzklRSUPBvml:a.test','t6-1','$iafY0UrgwvOCJcPkF3A76N5Ys65iCOmlXJyI6hzylSg',1795877173725);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !m3Y5HVXzklRSUPBvml:a.test','t6-2','$AgfPoNusSBc4yOAbMygGiCggnYv9ttG1wpYmdYhGhZ0',1795877173730);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !m3Y5HVXzklRSUPBvml:a.test','t6-3','$tqX4bYE3-lU1fSKuWnyY2etLZJPV2cFDvmVu94Mdx3Y',1795877173732);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !m3Y5HVXzklRSUPBvml:a.test','t6-4','$lSn9BhwNUqIXGcIp7GSQkGQdJlddrIaVtlRn1r_RxDM',1795877173733);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !m3Y5HVXzklRSUPBvml:a.test','r6','$rDNtTh6UYNbghc1-75QusJ6RHsKJUMfrXB3wJEGeZgM',1795877173735);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','t12-0','$Ioj6MRILehZNDP13pzsF5ZP6sxpH37LRi2KmlOb8c8U',1795877173754);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','t12-1','$XG_RlY-IumMA5wHia7FnwiYorhpirBb8UBmcpJK_S2U',1795877173756);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','t12-2','$wMq7_ilRyjJm4tsb56R2GhmdfsLG1w3N4j7lwURJQjM',1795877173757);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','send !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','t12-3','$GxvI-8txnNyoWdzFRXumw9yhxKu5a4fK7ExHeRsH4FQ',1795877173758);
INSERT INTO "client_transactions" VALUES('@bob:a.test','TWO','send !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','t12-4','$EfydnS5TF3FS-AVnDkSQvN1F8oeBogmQ4FqyL61LlJA',1795877173760);
INSERT INTO "client_transactions" VALUES('@alice:a.test','ONE','redact !9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','r12','$MdJTeRyXl84EpSTFsr1kWKHKaw5FgGGiei0uQhJ4pkc',1795877173766);
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
INSERT INTO "current_state" VALUES(1,'m.room.canonical_alias','',4);
INSERT INTO "current_state" VALUES(1,'m.room.create','',1);
INSERT INTO "current_state" VALUES(1,'m.room.history_visibility','',6);
INSERT INTO "current_state" VALUES(1,'m.room.join_rules','',5);
INSERT INTO "current_state" VALUES(1,'m.room.member','@alice:a.test',47);
INSERT INTO "current_state" VALUES(1,'m.room.member','@bob:a.test',8);
INSERT INTO "current_state" VALUES(1,'m.room.name','',7);
INSERT INTO "current_state" VALUES(1,'m.room.power_levels','',3);
INSERT INTO "current_state" VALUES(1,'m.room.topic','',15);
INSERT INTO "current_state" VALUES(2,'m.room.canonical_alias','',19);
INSERT INTO "current_state" VALUES(2,'m.room.create','',16);
INSERT INTO "current_state" VALUES(2,'m.room.history_visibility','',21);
INSERT INTO "current_state" VALUES(2,'m.room.join_rules','',20);
INSERT INTO "current_state" VALUES(2,'m.room.member','@alice:a.test',48);
INSERT INTO "current_state" VALUES(2,'m.room.member','@bob:a.test',46);
INSERT INTO "current_state" VALUES(2,'m.room.name','',22);
INSERT INTO "current_state" VALUES(2,'m.room.power_levels','',18);
INSERT INTO "current_state" VALUES(2,'m.room.topic','',30);
INSERT INTO "current_state" VALUES(3,'m.room.canonical_alias','',34);
INSERT INTO "current_state" VALUES(3,'m.room.create','',31);
INSERT INTO "current_state" VALUES(3,'m.room.history_visibility','',36);
INSERT INTO "current_state" VALUES(3,'m.room.join_rules','',35);
INSERT INTO "current_state" VALUES(3,'m.room.member','@alice:a.test',49);
INSERT INTO "current_state" VALUES(3,'m.room.member','@bob:a.test',38);
INSERT INTO "current_state" VALUES(3,'m.room.name','',37);
INSERT INTO "current_state" VALUES(3,'m.room.power_levels','',33);
INSERT INTO "current_state" VALUES(3,'m.room.topic','',45);
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
INSERT INTO "devices" VALUES('@alice:a.test','ONE',NULL,1795877173615,1795877173615,'127.0.0.1');
INSERT INTO "devices" VALUES('@bob:a.test','TWO',NULL,1795877173674,1795877173674,'127.0.0.1');
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
INSERT INTO "edges" VALUES(15,14,1);
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
INSERT INTO "edges" VALUES(30,29,2);
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
INSERT INTO "edges" VALUES(44,43,3);
INSERT INTO "edges" VALUES(45,44,3);
INSERT INTO "edges" VALUES(46,30,2);
INSERT INTO "edges" VALUES(47,15,1);
INSERT INTO "edges" VALUES(48,46,2);
INSERT INTO "edges" VALUES(49,45,3);
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    UNIQUE (event_id, room)
);
INSERT INTO "events" VALUES(1,1,'$Aga7TN0U7BZQ6M48MqAxAO:a.test');
INSERT INTO "events" VALUES(2,1,'$hhdJSyEvlQGSkV5NfHyc1B:a.test');
INSERT INTO "events" VALUES(3,1,'$4QQU3Id1UGRTZeXPGKXuoQ:a.test');
INSERT INTO "events" VALUES(4,1,'$6N5WhNVEV3NHXET1fEUGcD:a.test');
INSERT INTO "events" VALUES(5,1,'$ZxnuJsuDWEbJeoG0FhWFZ9:a.test');
INSERT INTO "events" VALUES(6,1,'$GJ68wJCa9RaIsPvCryZnCE:a.test');
INSERT INTO "events" VALUES(7,1,'$zBH46OocRKSe8huKHhAJZs:a.test');
INSERT INTO "events" VALUES(8,1,'$uVA4gyxnMrFJuZ7epu13qq:a.test');
INSERT INTO "events" VALUES(9,1,'$fEJOI5o8bH2WV69Oudeg42:a.test');
INSERT INTO "events" VALUES(10,1,'$f4x2nnSMiBzI9MWA9Bv6HC:a.test');
INSERT INTO "events" VALUES(11,1,'$4xUWnebqYbc7ozQTy4lJ0m:a.test');
INSERT INTO "events" VALUES(12,1,'$DBq4hWtw7BfpSRP3nWAkBe:a.test');
INSERT INTO "events" VALUES(13,1,'$HkYpi9EIkj5tzmtJoUT9PD:a.test');
INSERT INTO "events" VALUES(14,1,'$0ZSs362OZd3NZXktqXLd7R:a.test');
INSERT INTO "events" VALUES(15,1,'$li6EYqvnbvUsm4bwj5akWz:a.test');
INSERT INTO "events" VALUES(16,2,'$S71x-On5RNgIA7moNLmJ14k0RJ80_h-zAsTi529k2_8');
INSERT INTO "events" VALUES(17,2,'$OQ5Z6pIU5FIMmSXfCEVvgY2MwJ79AHEF8n7VfyynpxE');
INSERT INTO "events" VALUES(18,2,'$KxWWhm1sJrBPppNInhnSA6KWIOudcxQ0y9r_rwIrIjE');
INSERT INTO "events" VALUES(19,2,'$f6bpSEB43flgV2Wa20q_p69T--l-01G6096qJl9pGJ8');
INSERT INTO "events" VALUES(20,2,'$oLXr_pE-curKiBRxAgdgFjzwpTUGTZ5BAvhXNvL0WZ8');
INSERT INTO "events" VALUES(21,2,'$ZOy7oeVxtFZWdcFn4FUyr-NxUU7irkzV39My4mtbHgo');
INSERT INTO "events" VALUES(22,2,'$X7soeZPFUd-Ecu_b1Xp3jpzL0y8irFRFIfHtUe4M4tI');
INSERT INTO "events" VALUES(23,2,'$70WKCntpupHLca0RG3Rq8bXMdJ7Cqho0VA6yHb8SkqI');
INSERT INTO "events" VALUES(24,2,'$l8KLL_Ic-QTvKiACSMlBWUT9J7XJ4efMRx2f-b7y1d8');
INSERT INTO "events" VALUES(25,2,'$iafY0UrgwvOCJcPkF3A76N5Ys65iCOmlXJyI6hzylSg');
INSERT INTO "events" VALUES(26,2,'$AgfPoNusSBc4yOAbMygGiCggnYv9ttG1wpYmdYhGhZ0');
INSERT INTO "events" VALUES(27,2,'$tqX4bYE3-lU1fSKuWnyY2etLZJPV2cFDvmVu94Mdx3Y');
INSERT INTO "events" VALUES(28,2,'$lSn9BhwNUqIXGcIp7GSQkGQdJlddrIaVtlRn1r_RxDM');
INSERT INTO "events" VALUES(29,2,'$rDNtTh6UYNbghc1-75QusJ6RHsKJUMfrXB3wJEGeZgM');
INSERT INTO "events" VALUES(30,2,'$H66i5GuYKyL58HwS-4t5cgLiVHKUmDH6eP1mw7Twej4');
INSERT INTO "events" VALUES(31,3,'$9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw');
INSERT INTO "events" VALUES(32,3,'$MaAIg_FHLAY93zS6xkGszqp-RosiR0NwPg59ucvESeU');
INSERT INTO "events" VALUES(33,3,'$WfNukJ_RNsEiJP9tTehG256PoBfBSt2TcfYD0USjDYI');
INSERT INTO "events" VALUES(34,3,'$hBZiPa-Vvr8wLvxZ1fTy-K8nc5u9883FN3BtrCBICk8');
INSERT INTO "events" VALUES(35,3,'$Dmvd1pnPbKYMrN_-2WVyTIpD-hXyEt_cHyqRfY0swXE');
INSERT INTO "events" VALUES(36,3,'$0HNUbdZyNfdUBq1d_HAp1jPa0GRHtyM4oNnis3Y_sY8');
INSERT INTO "events" VALUES(37,3,'$G4dDZF8mqMmymFTy0n90o5RjnXyDGVftccpfYuanXIU');
INSERT INTO "events" VALUES(38,3,'$RvxgH_ryM7Tawue-E-sgydY7uyR3Jril5e1kDr-UZeU');
INSERT INTO "events" VALUES(39,3,'$Ioj6MRILehZNDP13pzsF5ZP6sxpH37LRi2KmlOb8c8U');
INSERT INTO "events" VALUES(40,3,'$XG_RlY-IumMA5wHia7FnwiYorhpirBb8UBmcpJK_S2U');
INSERT INTO "events" VALUES(41,3,'$wMq7_ilRyjJm4tsb56R2GhmdfsLG1w3N4j7lwURJQjM');
INSERT INTO "events" VALUES(42,3,'$GxvI-8txnNyoWdzFRXumw9yhxKu5a4fK7ExHeRsH4FQ');
INSERT INTO "events" VALUES(43,3,'$EfydnS5TF3FS-AVnDkSQvN1F8oeBogmQ4FqyL61LlJA');
INSERT INTO "events" VALUES(44,3,'$MdJTeRyXl84EpSTFsr1kWKHKaw5FgGGiei0uQhJ4pkc');
INSERT INTO "events" VALUES(45,3,'$E8MRztDMXJigIlvBeVuVGslARAgPX_SWzDRwrZJqZXI');
INSERT INTO "events" VALUES(46,2,'$FPQB7Knhu4Uy-WAt1RIiBzTQA3Zo_zinW5GkAOvNCak');
INSERT INTO "events" VALUES(47,1,'$RC5jFQvi50iKBRC2QmVUMa:a.test');
INSERT INTO "events" VALUES(48,2,'$e8kz6sGftwWT5673fYy4zGfI-H0lvMm10FHdFed9u48');
INSERT INTO "events" VALUES(49,3,'$KizsQ6KkMtOwLKHHdbfZlK6MH__7CEMcfrXRmvXou1Y');
CREATE TABLE extremities (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, event)
) WITHOUT ROWID;
INSERT INTO "extremities" VALUES(1,47);
INSERT INTO "extremities" VALUES(2,48);
INSERT INTO "extremities" VALUES(3,49);
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
INSERT INTO "graph" VALUES(15,1,15,1099511627790,8,9,0);
INSERT INTO "graph" VALUES(16,2,16,1099511627776,NULL,10,0);
INSERT INTO "graph" VALUES(17,2,17,1099511627777,10,11,0);
INSERT INTO "graph" VALUES(18,2,18,1099511627778,11,12,0);
INSERT INTO "graph" VALUES(19,2,19,1099511627779,12,13,0);
INSERT INTO "graph" VALUES(20,2,20,1099511627780,13,14,0);
INSERT INTO "graph" VALUES(21,2,21,1099511627781,14,15,0);
INSERT INTO "graph" VALUES(22,2,22,1099511627782,15,16,0);
INSERT INTO "graph" VALUES(23,2,23,1099511627783,16,17,0);
INSERT INTO "graph" VALUES(24,2,24,1099511627784,17,17,0);
INSERT INTO "graph" VALUES(25,2,25,1099511627785,17,17,0);
INSERT INTO "graph" VALUES(26,2,26,1099511627786,17,17,0);
INSERT INTO "graph" VALUES(27,2,27,1099511627787,17,17,0);
INSERT INTO "graph" VALUES(28,2,28,1099511627788,17,17,0);
INSERT INTO "graph" VALUES(29,2,29,1099511627789,17,17,0);
INSERT INTO "graph" VALUES(30,2,30,1099511627790,17,18,0);
INSERT INTO "graph" VALUES(31,3,31,1099511627776,NULL,19,0);
INSERT INTO "graph" VALUES(32,3,32,1099511627777,19,20,0);
INSERT INTO "graph" VALUES(33,3,33,1099511627778,20,21,0);
INSERT INTO "graph" VALUES(34,3,34,1099511627779,21,22,0);
INSERT INTO "graph" VALUES(35,3,35,1099511627780,22,23,0);
INSERT INTO "graph" VALUES(36,3,36,1099511627781,23,24,0);
INSERT INTO "graph" VALUES(37,3,37,1099511627782,24,25,0);
INSERT INTO "graph" VALUES(38,3,38,1099511627783,25,26,0);
INSERT INTO "graph" VALUES(39,3,39,1099511627784,26,26,0);
INSERT INTO "graph" VALUES(40,3,40,1099511627785,26,26,0);
INSERT INTO "graph" VALUES(41,3,41,1099511627786,26,26,0);
INSERT INTO "graph" VALUES(42,3,42,1099511627787,26,26,0);
INSERT INTO "graph" VALUES(43,3,43,1099511627788,26,26,0);
INSERT INTO "graph" VALUES(44,3,44,1099511627789,26,26,0);
INSERT INTO "graph" VALUES(45,3,45,1099511627790,26,27,0);
INSERT INTO "graph" VALUES(46,2,46,1099511627791,18,28,0);
INSERT INTO "graph" VALUES(47,1,47,1099511627791,9,29,0);
INSERT INTO "graph" VALUES(48,2,48,1099511627792,28,30,0);
INSERT INTO "graph" VALUES(49,3,49,1099511627791,27,31,0);
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
INSERT INTO "members" VALUES(1,'@alice:a.test','a.test','join',47);
INSERT INTO "members" VALUES(1,'@bob:a.test','a.test','join',8);
INSERT INTO "members" VALUES(2,'@alice:a.test','a.test','join',48);
INSERT INTO "members" VALUES(2,'@bob:a.test','a.test','leave',46);
INSERT INTO "members" VALUES(3,'@alice:a.test','a.test','join',49);
INSERT INTO "members" VALUES(3,'@bob:a.test','a.test','join',38);
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
INSERT INTO "own_keys" VALUES('ed25519:a_b5ET','wraDw2SWKIzlYWfleKQHSORNSWM0ZhuzxNORnFCg9oU',NULL);
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
INSERT INTO "profile_fields" VALUES('@alice:a.test','displayname','"Alice"');
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
INSERT INTO "receipts" VALUES(1,'@bob:a.test','m.read','','$DBq4hWtw7BfpSRP3nWAkBe:a.test',1795877173696,1);
INSERT INTO "receipts" VALUES(2,'@bob:a.test','m.read','','$tqX4bYE3-lU1fSKuWnyY2etLZJPV2cFDvmVu94Mdx3Y',1795877173742,2);
INSERT INTO "receipts" VALUES(3,'@bob:a.test','m.read','','$GxvI-8txnNyoWdzFRXumw9yhxKu5a4fK7ExHeRsH4FQ',1795877173767,3);
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
INSERT INTO "redactions" VALUES(29,2,24);
INSERT INTO "redactions" VALUES(44,3,39);
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
INSERT INTO "rooms" VALUES(1,'!GcLZaoOWcW5bz3YpVu:a.test','1',10,29,NULL);
INSERT INTO "rooms" VALUES(2,'!m3Y5HVXzklRSUPBvml:a.test','6',11,30,NULL);
INSERT INTO "rooms" VALUES(3,'!9b02HdrN_LRLr18Ye5qR7yjRS9ESyaRc7XN39Ty9tnw','12',10,31,NULL);
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
INSERT INTO "standings" VALUES('@alice:a.test',1,'join',47,47,NULL,NULL,0);
INSERT INTO "standings" VALUES('@alice:a.test',2,'join',48,48,NULL,NULL,0);
INSERT INTO "standings" VALUES('@alice:a.test',3,'join',49,49,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',1,'join',8,8,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',2,'leave',46,46,NULL,NULL,0);
INSERT INTO "standings" VALUES('@bob:a.test',3,'join',38,38,NULL,NULL,0);
CREATE TABLE state_changes (
    position BIGINT NOT NULL,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT,
    PRIMARY KEY (room, position, type, state_key)
) WITHOUT ROWID;
INSERT INTO "state_changes" VALUES(7,1,'m.room.canonical_alias','',4);
INSERT INTO "state_changes" VALUES(7,1,'m.room.create','',1);
INSERT INTO "state_changes" VALUES(7,1,'m.room.history_visibility','',6);
INSERT INTO "state_changes" VALUES(7,1,'m.room.join_rules','',5);
INSERT INTO "state_changes" VALUES(7,1,'m.room.member','@alice:a.test',2);
INSERT INTO "state_changes" VALUES(7,1,'m.room.name','',7);
INSERT INTO "state_changes" VALUES(7,1,'m.room.power_levels','',3);
INSERT INTO "state_changes" VALUES(8,1,'m.room.member','@bob:a.test',8);
INSERT INTO "state_changes" VALUES(15,1,'m.room.topic','',15);
INSERT INTO "state_changes" VALUES(47,1,'m.room.member','@alice:a.test',47);
INSERT INTO "state_changes" VALUES(22,2,'m.room.canonical_alias','',19);
INSERT INTO "state_changes" VALUES(22,2,'m.room.create','',16);
INSERT INTO "state_changes" VALUES(22,2,'m.room.history_visibility','',21);
INSERT INTO "state_changes" VALUES(22,2,'m.room.join_rules','',20);
INSERT INTO "state_changes" VALUES(22,2,'m.room.member','@alice:a.test',17);
INSERT INTO "state_changes" VALUES(22,2,'m.room.name','',22);
INSERT INTO "state_changes" VALUES(22,2,'m.room.power_levels','',18);
INSERT INTO "state_changes" VALUES(23,2,'m.room.member','@bob:a.test',23);
INSERT INTO "state_changes" VALUES(30,2,'m.room.topic','',30);
INSERT INTO "state_changes" VALUES(46,2,'m.room.member','@bob:a.test',46);
INSERT INTO "state_changes" VALUES(48,2,'m.room.member','@alice:a.test',48);
INSERT INTO "state_changes" VALUES(37,3,'m.room.canonical_alias','',34);
INSERT INTO "state_changes" VALUES(37,3,'m.room.create','',31);
INSERT INTO "state_changes" VALUES(37,3,'m.room.history_visibility','',36);
INSERT INTO "state_changes" VALUES(37,3,'m.room.join_rules','',35);
INSERT INTO "state_changes" VALUES(37,3,'m.room.member','@alice:a.test',32);
INSERT INTO "state_changes" VALUES(37,3,'m.room.name','',37);
INSERT INTO "state_changes" VALUES(37,3,'m.room.power_levels','',33);
INSERT INTO "state_changes" VALUES(38,3,'m.room.member','@bob:a.test',38);
INSERT INTO "state_changes" VALUES(45,3,'m.room.topic','',45);
INSERT INTO "state_changes" VALUES(49,3,'m.room.member','@alice:a.test',49);
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
INSERT INTO "state_keys" VALUES(4,'m.room.canonical_alias','');
INSERT INTO "state_keys" VALUES(5,'m.room.join_rules','');
INSERT INTO "state_keys" VALUES(6,'m.room.history_visibility','');
INSERT INTO "state_keys" VALUES(7,'m.room.name','');
INSERT INTO "state_keys" VALUES(8,'m.room.member','@bob:a.test');
INSERT INTO "state_keys" VALUES(9,'m.room.topic','');
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
INSERT INTO "state_snapshots" VALUES(9,1,NULL,0,X'920D0BC2F89DEB4B7E403F450900090F020E020D020C020B020A0209020802070200');
INSERT INTO "state_snapshots" VALUES(10,2,NULL,0,X'9C55240F8804F78A08A64BE0010001100200');
INSERT INTO "state_snapshots" VALUES(11,2,10,1,X'68F213D49BFC4CC6AE9138D7020001110400');
INSERT INTO "state_snapshots" VALUES(12,2,11,2,X'18ABF771337FADBB0E3BCAB5030001120600');
INSERT INTO "state_snapshots" VALUES(13,2,12,3,X'8C095A1B9B4D27388FCAC0B0040001130800');
INSERT INTO "state_snapshots" VALUES(14,2,13,4,X'67BB041251761A252BD55912050001140A00');
INSERT INTO "state_snapshots" VALUES(15,2,13,4,X'9B28D9CDA676EDE9837F8481060002150A010200');
INSERT INTO "state_snapshots" VALUES(16,2,13,4,X'2232C000F5DDC26816BED99B070003160A0202010200');
INSERT INTO "state_snapshots" VALUES(17,2,13,4,X'F8406F052CC24008EA2AA4E7080004170A03020202010200');
INSERT INTO "state_snapshots" VALUES(18,2,NULL,0,X'B3193FCEC4B9D20E57C400380900091E020E020D020C020B020A0209020802070200');
INSERT INTO "state_snapshots" VALUES(19,3,NULL,0,X'7C8274110C5324299C1CA1020100011F0200');
INSERT INTO "state_snapshots" VALUES(20,3,19,1,X'B473EF1C89A7FA0304448580020001200400');
INSERT INTO "state_snapshots" VALUES(21,3,20,2,X'9106E2B9C23585A66140F56C030001210600');
INSERT INTO "state_snapshots" VALUES(22,3,21,3,X'3BD81FC4D2EE36C3EC8CB71E040001220800');
INSERT INTO "state_snapshots" VALUES(23,3,22,4,X'0E4CB21AE28DCEE59857B074050001230A00');
INSERT INTO "state_snapshots" VALUES(24,3,22,4,X'ED5FEF958FF6C1C0423F1F5D060002240A010200');
INSERT INTO "state_snapshots" VALUES(25,3,22,4,X'390FBED333C5AEE2FA973313070003250A0202010200');
INSERT INTO "state_snapshots" VALUES(26,3,22,4,X'DE3B8D13E4F5086AAA7E88F0080004260A03020202010200');
INSERT INTO "state_snapshots" VALUES(27,3,NULL,0,X'E616381D45C9B251E4EE134B0900092D020E020D020C020B020A0209020802070200');
INSERT INTO "state_snapshots" VALUES(28,2,18,1,X'E5787C92FC4DB9CFB50646F10900012E1000');
INSERT INTO "state_snapshots" VALUES(29,1,9,1,X'2A63763B19046387425BFC460900012F0400');
INSERT INTO "state_snapshots" VALUES(30,2,28,2,X'2C9E1A3D6BF539734A68C431090001300400');
INSERT INTO "state_snapshots" VALUES(31,3,27,1,X'030FC32FB7D0FA2C932E8DB2090001310400');
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
INSERT INTO "streams" VALUES('events',49);
INSERT INTO "streams" VALUES('receipts',3);
INSERT INTO "streams" VALUES('to_device',1);
CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO "subscriptions" VALUES('introductions of devices',49);
CREATE TABLE to_device (
    position BIGINT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    content TEXT NOT NULL
);
INSERT INTO "to_device" VALUES(1,'@bob:a.test','TWO','{"content":{"for":"bob"},"sender":"@alice:a.test","type":"org.test.note"}');
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
INSERT INTO "to_device_sent" VALUES('@alice:a.test','ONE','org.test.note','1',1795877173783);
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
INSERT INTO "verdicts" VALUES(1,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(2,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(3,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(4,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(5,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(6,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(7,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173677,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(8,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173681,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(9,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173684,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(10,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173686,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(11,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173688,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(12,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173690,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(13,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173692,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(14,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173693,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(15,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173702,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(16,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(17,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(18,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(19,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(20,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(21,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(22,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173714,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(23,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173722,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(24,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173723,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(25,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173725,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(26,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173730,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(27,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173732,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(28,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173734,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(29,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173735,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(30,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173744,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(31,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(32,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(33,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(34,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(35,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(36,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(37,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173750,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(38,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173753,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(39,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173754,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(40,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173756,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(41,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173757,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(42,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173758,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(43,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173760,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(44,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173766,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(45,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173768,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(46,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173770,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(47,1,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173772,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(48,2,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173774,"resolved_from":[]}');
INSERT INTO "verdicts" VALUES(49,3,'{"step":"passed","rejection":null,"origin":null,"decided_at":1795877173777,"resolved_from":[]}');
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
COMMIT;PRAGMA application_id = 1097626728;
PRAGMA user_version = 1;
