"""aiosmtpd's Mailbox with moods: the local part of the recipient tells which.

grey…     451 to the first two RCPTs, then taken
nobody…   550 to every RCPT
full…     452 after the first DATA, then taken
spam…     554 after every DATA
cut…      the connection is cut at the first RCPT, then taken
mute…     no answer to the first RCPT, then taken
gone…     taken, and the connection cut before that is said
dumb…     taken, and not said
any other taken

Every RCPT is a line of the file `<maildir>.log`.
"""

import asyncio
import collections

from aiosmtpd.handlers import Mailbox

FOREVER = 3600


class Moody(Mailbox):
    def __init__(self, mail_dir, message_class=None):
        super().__init__(mail_dir, message_class)
        self.log = f"{mail_dir}.log"
        self.asked, self.sent = collections.Counter(), collections.Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked[address] += 1
        with open(self.log, "a") as log:
            log.write(address + "\n")
        first = self.asked[address] == 1
        if address.startswith("grey") and self.asked[address] <= 2:
            return "451 4.7.1 Greylisted, come back later"
        if address.startswith("nobody"):
            return "550 5.1.1 No such mailbox"
        if address.startswith("cut") and first:
            server.transport.abort()
        if address.startswith("mute") and first:
            await asyncio.sleep(FOREVER)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        (address,) = envelope.rcpt_tos
        self.sent[address] += 1
        if address.startswith("full") and self.sent[address] == 1:
            return "452 4.3.1 No space"
        if address.startswith("spam"):
            return "554 5.6.0 Not here"
        answer = await super().handle_DATA(server, session, envelope)
        if address.startswith("gone"):
            server.transport.abort()
        if address.startswith("dumb"):
            await asyncio.sleep(FOREVER)
        return answer
