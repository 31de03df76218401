"""The private servers keep what the stories rely on: fresh databases, messages that survive a kill, a browser."""

from __future__ import annotations

import time

import psycopg
import pytest
from amqp.exceptions import InternalError
from kombu import Connection, Producer, Queue

from tests.services.chromium import running_browser
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitBroker


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def test_databases_are_copies_of_a_template_and_do_not_meet(postgres: PostgresServer) -> None:
    built: list[str] = []

    def build(url: str) -> None:
        built.append(url)
        with psycopg.connect(_plain(url)) as connection:
            connection.execute("CREATE TABLE kept (word text)")

    for _ in range(2):
        with (
            postgres.database(postgres.template("sample", build)) as url,
            psycopg.connect(_plain(url)) as connection,
        ):
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
            connection.execute("INSERT INTO kept VALUES ('mine')")
    assert len(built) == 1


@pytest.mark.chaos
def test_committed_rows_survive_the_kill_of_postgresql(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        with psycopg.connect(_plain(url)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(_plain(url))
        postgres.start()
        with psycopg.connect(_plain(url)) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


@pytest.mark.chaos
def test_a_confirmed_message_survives_the_kill_of_the_broker(broker: RabbitBroker, queue_prefix: str) -> None:
    queue = Queue(f"{queue_prefix}kept", durable=True, queue_arguments={"x-queue-type": "quorum"})
    options = {"confirm_publish": True}
    with Connection(broker.url, transport_options=options) as connection:
        channel = connection.channel()
        queue(channel).declare()
        Producer(channel).publish({"id": 7}, routing_key=queue.name, delivery_mode=2)

    broker.wait_settled(queue.name)
    broker.kill()
    assert not broker.alive
    broker.start()

    assert _fetch(broker.url, queue) == {"id": 7}


def _fetch(url: str, queue: Queue) -> object:
    """Take one message. A broker that just started may answer before its quorum queue has elected a leader."""
    end = time.monotonic() + 60
    while True:
        try:
            with Connection(url) as connection:
                message = queue(connection.channel()).get()
                assert message is not None
                message.ack()
                return message.payload
        except InternalError:
            if time.monotonic() > end:
                raise


@pytest.mark.browser
def test_the_browser_draws_a_page() -> None:
    with running_browser() as browser:
        page = browser.new_page()
        page.set_content("<h1>Guten Tag</h1>")
        assert page.inner_text("h1") == "Guten Tag"
