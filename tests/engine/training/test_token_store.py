"""Laws of the token store: rows come back as they were, a kill costs at most the last one."""

from pathlib import Path

from engine.training.token_store import TokenStore
from tests.engine.training.token_rows import rows


def test_a_token_store_gives_back_its_rows(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.jsonl")
    store.append(rows()[:3])
    store.append(rows()[3:5])
    assert store.count() == 5
    found = store.rows()
    assert [row.text for row in found] == [row.text for row in rows()[:5]]
    assert [tuple(tuple(take) for take in row.takes) for row in found] == [
        row.takes for row in rows()[:5]
    ]


def test_a_row_cut_by_a_kill_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "tokens.jsonl"
    store = TokenStore(path)
    store.append(rows()[:2])
    path.write_bytes(path.read_bytes()[:-9])
    assert store.count() == 1
    store.append(rows()[2:3])
    assert [row.text for row in store.rows()] == [rows()[0].text, rows()[2].text]
