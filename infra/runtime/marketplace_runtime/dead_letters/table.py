"""Dead letters on file: messages that a person has to look at."""

import json
from collections.abc import Sequence

from marketplace_runtime.amqp import DeadLetter
from marketplace_runtime.database import Transaction

INSERT = """
insert into messaging.dead_letters
    (key, subscription, event_id, type, reason, error, attempts, failed_at, headers, body)
select * from unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[],
    $9::jsonb[], $10::bytea[])
on conflict (key) do update set
    reason = excluded.reason, error = excluded.error, attempts = excluded.attempts, failed_at = excluded.failed_at,
    headers = excluded.headers, body = excluded.body
where messaging.dead_letters.failed_at < excluded.failed_at
"""


async def file(tx: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Keep `letters`, each with another key. Of the copies of one death the one that failed last stays on file."""
    await tx.execute(
        INSERT,
        [letter.key for letter in letters],
        [letter.subscription for letter in letters],
        [letter.event_id for letter in letters],
        [letter.type for letter in letters],
        [letter.reason for letter in letters],
        [letter.error for letter in letters],
        [letter.attempts for letter in letters],
        [letter.failed_at for letter in letters],
        [json.dumps(letter.headers) for letter in letters],
        [letter.body for letter in letters],
    )
