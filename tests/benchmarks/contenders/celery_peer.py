"""The work with Celery (prefork) and SQLAlchemy, one transaction per task, with an outbox relay beside it.

Configured as their documentation recommends: late acknowledgement, a prefetch multiplier, quorum queues detected;
gossip, mingle and remote control are off. The relay is a thread of the parent process. It publishes committed events
with confirms, 100 at a time.
"""

import json
import os
import sys
import threading
from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import worker_process_init, worker_ready
from kombu import Connection, Exchange, Producer, Queue
from sqlalchemy import create_engine, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker
from uuid_utils.compat import uuid7

from tests.benchmarks.contenders.tables import Inbox, Order, Outbox, Pending, headers_of, outgoing
from tests.benchmarks.work import EVENT_OUT, EXCHANGE_OUT, QUEUE, SUBSCRIPTION, Assignment

RELAY_BATCH = 100
POLL_S = 0.02
PROCESSES = os.cpu_count() or 2
TASK = "place_order"

given = Assignment.given()
app = Celery("bench", broker=given.broker_url)
app.conf.update(
    task_queues=[Queue(QUEUE, no_declare=True, queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=given.prefetch,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
engine = create_engine(make_url(given.database_url).set(drivername="postgresql+psycopg"), pool_size=2)
sessions = sessionmaker(engine, expire_on_commit=False)


@worker_process_init.connect
def forget_parents_connections(**_: Any) -> None:
    engine.dispose(close=False)


@app.task(name=TASK, bind=True)
def place(task: Any, event: dict[str, Any]) -> None:
    event_id = UUID(task.request.id)
    with sessions.begin() as session:
        claim = insert(Inbox).values(subscription=SUBSCRIPTION, event_id=event_id, attempt=1)
        if session.scalar(claim.on_conflict_do_nothing().returning(Inbox.event_id)) is None:
            return
        session.add(
            Order(
                order_id=UUID(event["order_id"]),
                customer_id=event["customer_id"],
                cents=event["total"]["amount"],
                state="placed",
                changes=0,
            )
        )
        body = json.dumps(event).encode()
        session.add_all(outgoing(event["order_id"], body, event_id, task.request.get("cloudEvents_traceparent")))


@worker_ready.connect
def start_relay(**_: Any) -> None:
    threading.Thread(target=relay, daemon=True).start()


def relay() -> None:
    with Connection(given.broker_url, transport_options={"confirm_publish": True}) as connection:
        producer = Producer(connection.channel(), Exchange(EXCHANGE_OUT, type="topic", no_declare=True))
        pause = threading.Event()
        while True:
            if publish_some(producer) < RELAY_BATCH:
                pause.wait(POLL_S)


def publish_some(producer: Producer) -> int:
    with sessions.begin() as session:
        waiting = (
            select(Pending.seq, Outbox)
            .join(Outbox, (Outbox.event_id == Pending.event_id) & (Outbox.type == Pending.type))
            .order_by(Pending.seq)
            .limit(RELAY_BATCH)
            .with_for_update(of=Pending, skip_locked=True)
        )
        rows = session.execute(waiting).all()
        for _, event in rows:
            producer.publish(
                event.body,
                routing_key=EVENT_OUT,
                headers=headers_of(event),
                content_type="application/json",
                content_encoding="utf-8",
                message_id=str(uuid7()),
                user_id=make_url(given.broker_url).username,
                delivery_mode=2,
            )
        session.execute(delete(Pending).where(Pending.seq.in_([seq for seq, _ in rows])))
    return len(rows)


if __name__ == "__main__":
    flags = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=warning"]
    sys.exit(app.worker_main(["worker", f"--concurrency={PROCESSES}", *flags]))
