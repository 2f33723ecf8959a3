"""A cancel token goes on once and stays on."""

import threading

from engine.cancel import CancelToken


def test_token_starts_off_and_stays_on() -> None:
    token = CancelToken()
    assert not token.is_cancelled
    token.cancel()
    token.cancel()
    assert token.is_cancelled


def test_wait_says_whether_it_was_cancelled() -> None:
    token = CancelToken()
    assert not token.wait(0.0)
    threading.Timer(0.01, token.cancel).start()
    assert token.wait(10.0)
