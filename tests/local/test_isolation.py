"""The suite's own ground: its servers, and what a test may not do by accident."""

import pytest
import redis
from celery import shared_task
from django.conf import settings
from django.db import connection

from tests.servers import Servers


@shared_task(name="tests.nothing")
def nothing_task() -> None:
    """Never runs; only published."""


def test_publishing_without_asking_for_a_broker_fails_loudly() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        nothing_task.apply_async(queue="bulk")


def test_with_the_real_broker_a_message_lands_in_its_queue(real_broker: redis.Redis) -> None:
    nothing_task.apply_async(queue="bulk")
    assert real_broker.llen("bulk") == 1


def test_the_broker_is_gone_again_after_the_test_that_requested_it(redis_client: redis.Redis) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        nothing_task.apply_async(queue="bulk")
    assert redis_client.dbsize() == 0


@pytest.mark.django_db
def test_the_database_is_this_process_own(servers: Servers) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory'), current_setting('fsync')")
        directory, fsync = cursor.fetchone()
    assert servers.postgres is not None
    assert (directory, fsync) == (str(servers.postgres.data), "off")


def test_redis_is_this_process_own(servers: Servers) -> None:
    assert servers.redis_url == settings.REDIS_URL
    assert servers.valkey is not None
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.info("server")["process_id"] == servers.valkey.process.pid
