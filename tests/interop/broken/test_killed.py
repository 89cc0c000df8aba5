"""The server is killed in the middle of a transaction; the peer, which has no answer, sends the same again."""

import asyncio
import random
import time
from collections import Counter

from canonicaljson import encode_canonical_json

from harness.names import FEDERATION_PORT
from harness.signed import federation_uri

# Half of them are killed at a random instant, the first of these at once, half as soon as the answer begins.
ROUNDS = 12


async def test_killed_in_the_middle_of_a_transaction(meet):
    """What was staged is there after a SIGKILL, what is repeated has the first answer, and each event exists once."""
    meeting = await meet("12")
    server, room, alice = meeting.server, meeting.room, meeting.alice
    begun = time.monotonic()
    sent = [await meeting.still_works()]
    usual = time.monotonic() - begun
    instants = random.Random(1)
    killed = Counter()

    for number in range(ROUNDS):
        event_id, event = room.extend("m.room.message", {"msgtype": "m.text", "body": f"round {number}"})
        sent.append(event_id)
        reader, writer = await begin_transaction(meeting, event, f"interop-killed-{number}")
        answer = asyncio.create_task(reader.read(1))
        patience = None if number % 2 else instants.uniform(0, usual) * number / ROUNDS
        await asyncio.wait({answer}, timeout=patience)
        is_answered = answer.done()
        await server.kill()
        answer.cancel()
        writer.transport.abort()
        killed["after the staging" if is_answered else "before the answer"] += 1

        await server.start()
        if is_answered:
            # It was acknowledged, if only by one byte: it needs no repetition.
            await alice.see_event(room.id, event_id)
        answers = [await meeting.peer.send(server, [event], transaction=f"interop-killed-{number}") for _ in range(2)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, {"pdus": {event_id: {}}})] * 2
        await alice.see_event(room.id, event_id)

    assert min(killed["after the staging"], killed["before the answer"]) > 0, killed
    ids = [event["event_id"] for event in await alice.history(room.id)]
    assert [ids.count(event_id) for event_id in sent] == [1] * len(sent)
    assert [event_id for event_id in ids if event_id in set(sent)] == sent


async def begin_transaction(meeting, event: dict, transaction: str):
    """Sends a transaction over a connection of its own and returns the connection."""
    peer, server = meeting.peer, meeting.server
    uri = federation_uri(f"/v1/send/{transaction}")
    content = {"origin": peer.name, "origin_server_ts": int(time.time() * 1000), "pdus": [event], "edus": []}
    body = encode_canonical_json(content)
    # Not through the link, which may break a connection earlier than the server does.
    reader, writer = await asyncio.open_connection(
        server.place.own_address, FEDERATION_PORT, ssl=peer.tls, server_hostname=server.place.host
    )
    header = peer.authorization("PUT", uri, server.name, content)
    writer.write(
        f"PUT {uri} HTTP/1.1\r\nHost: {server.name}\r\nContent-Type: application/json\r\n"
        f"Authorization: {header}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    await writer.drain()
    return reader, writer
