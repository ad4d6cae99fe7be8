"""An SMSC on loopback by the smpp34 package, which shares no code with ours. It prints what it receives, a JSON object a line.

Numbers that end in 90 are refused (ESME_RINVDSTADR); of those that end in 91, the first two messages are throttled.
"""

import asyncio
import json
import sys

import smpp34

INVALID_DESTINATION = 0x0B
THROTTLED = 0x58


def tell(**what):
    print(json.dumps(what), flush=True)


async def main(port):
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="smsc")
    await server.start()
    # Whether it listens is for the socket to say: a port that is taken shows only here.
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    else:
        sys.exit("it does not listen")
    tell(event="listening")
    throttled = 0
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            tell(event="bound", system_id=event.system_id, can_receive=event.can_receive)
        elif isinstance(event, smpp34.SubmitSmEvent):
            tell(
                event="submitted",
                source=[event.source_addr_ton, event.source_addr_npi, event.source_addr],
                destination=[event.dest_addr_ton, event.dest_addr_npi, event.destination_addr],
                esm_class=event.esm_class,
                data_coding=event.data_coding,
                message=event.short_message.hex(),
            )
            if event.destination_addr.endswith("90"):
                event.reject(INVALID_DESTINATION)
            elif event.destination_addr.endswith("91") and throttled < 2:
                throttled += 1
                event.reject(THROTTLED)
            else:
                event.accept(message_id="1")
        elif isinstance(event, smpp34.Unbound):
            tell(event="unbound")


asyncio.run(main(int(sys.argv[1])))
