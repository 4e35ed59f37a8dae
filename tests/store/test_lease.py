"""Leases: one holder, expiry, renewal, and taking over from the dead."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import redis

from service.settings import Settings
from service.store import lease
from service.store.connection import connect

JOB = "0" * 32


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


def dead_token() -> str:
    """A token of a process of this machine that has ended."""
    code = "from service.store.lease import new_token; import sys; sys.stdout.write(new_token())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_only_one_holds_it(client: redis.Redis) -> None:
    with lease.held(client, JOB, 5) as first:
        assert first is not None and lease.holder(client, JOB) == first.token
        with lease.held(client, JOB, 5) as second:
            assert second is None
    assert lease.holder(client, JOB) is None


def test_it_is_renewed_while_held(client: redis.Redis) -> None:
    with lease.held(client, JOB, 2.0) as held:
        time.sleep(3.0)
        assert held is not None and not held.lost.is_set()
        assert lease.holder(client, JOB) == held.token


def test_it_expires_when_its_holder_no_longer_renews(client: redis.Redis) -> None:
    stale = lease.acquire(client, JOB, 0.2)
    assert stale is not None and lease.acquire(client, JOB, 0.2) is None
    time.sleep(0.3)
    assert lease.acquire(client, JOB, 5) is not None
    assert not stale.renew()


def test_a_holder_learns_that_somebody_else_has_it(client: redis.Redis) -> None:
    with lease.held(client, JOB, 1.0) as held:
        client.set(lease.key_of(JOB), "another/place/1/x")
        assert held is not None and held.lost.wait(20)
    assert client.get(lease.key_of(JOB)) == "another/place/1/x"


def test_it_survives_a_redis_that_forgot_everything(client: redis.Redis) -> None:
    with lease.held(client, JOB, 2.0) as held:
        client.flushall()
        time.sleep(1.5)
        assert held is not None and not held.lost.is_set() and lease.holder(client, JOB) == held.token


def test_the_lease_of_a_dead_process_is_taken_over_at_once(client: redis.Redis) -> None:
    client.set(lease.key_of(JOB), dead_token())
    assert lease.holder(client, JOB) is None
    assert lease.acquire(client, JOB, 5) is not None


def test_the_lease_of_another_machine_is_respected(client: redis.Redis) -> None:
    client.set(lease.key_of(JOB), "another-host/pid:[1]/999999/abc")
    lease.drop_dead(client, JOB)
    assert lease.acquire(client, JOB, 5) is None


@pytest.mark.parametrize("token", ["", "x", "///", "a/b/c/d", "a/b/-1/d"])
def test_tokens_that_say_nothing_are_not_dead(token: str) -> None:
    assert not lease.holder_is_dead(token)
