"""Reviews in shards: put together they are the review of one process."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.campaign.executor import LocalExecutor
from pfnlab.campaign.plan import Plan
from pfnlab.campaign.plan_file import plan_of
from pfnlab.campaign.review_work import ReviewWork, answers_in, review_shard
from pfnlab.campaign.running import CampaignEnd, run_campaign
from pfnlab.campaign.store.rows import DONE, ResultFilter, Shard
from pfnlab.campaign.store.store import Store
from pfnlab.checker.review.kept_answers import ReviewHead
from pfnlab.checker.review.review import plan, review
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.programs.model.model_machine import ModelMachine

HEAD = 'form = 1\nname = "long"\n[[review]]\n'
DESIGN = "7.3,tracker=vm_pat"

#: Some pieces that take no time.
FIRST = next(number for number, piece in enumerate(plan()) if piece.stage == 1 and number % 2 == 0)
END = FIRST + 6


def campaign(text: str) -> Plan:
    """The plan of a campaign with a review."""
    return plan_of(HEAD + text, "long.toml")


def works(text: str) -> list[ReviewWork]:
    """The work of its shards."""
    return [msgspec.convert(shard.work, ReviewWork) for shard in campaign(text).shards()]


def test_a_review_is_cut_in_shards() -> None:
    """Every piece is in one of them, for each base and design."""
    both = 'designs = ["flush=none", "model:7.2"]\nbases = ["model:7.3", "model:6.12"]\n'
    found = works(f"{both}pieces_per_shard = 5000\n")

    pairs = dict.fromkeys(work.machines for work in found)
    assert [
        ("model:7.3", "model:7.3,flush=none"),
        ("model:7.3", "model:7.2"),
        ("model:6.12", "model:6.12,flush=none"),
        ("model:6.12", "model:7.2"),
    ] == list(pairs)
    for pair in pairs:
        ends = [(work.first, work.end) for work in found if work.machines == pair]
        asked = [piece for first, end in ends for piece in range(first, end)]
        assert list(range(len(plan()))) == asked


def test_the_core_may_be_asked_alone() -> None:
    """The pieces without which a review is cut."""
    found = works('designs = ["flush=none"]\nbases = ["model:7.3"]\ncore = true\npieces_per_shard = 9999\n')

    assert [(0, sum(piece.core for piece in plan()))] == [(work.first, work.end) for work in found]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a campaign of three shards is over."""
    path = tmp_path_factory.mktemp("store") / "s.db"
    table = campaign('designs = ["tracker=vm_pat"]\nbases = ["model:7.3"]\npieces_per_shard = 2\n')
    shards = [shard for shard in table.shards() if FIRST <= shard.work["first"] < END]
    stored = [
        Shard(number=number, digest=shard.digest, task=shard.task, work=shard.work, seconds=60.0)
        for number, shard in enumerate(shards)
    ]
    with Store(str(path)) as opened, LocalExecutor(2) as executor:
        opened.begin("long", msgspec.to_builtins(table), stored)
        assert CampaignEnd.OVER is run_campaign(opened, "long", executor)
        assert [DONE] * 3 == [shard.state for shard in opened.shards("long")]
    return path


def told(result: ReviewResult) -> tuple[object, ...]:
    """All that a review says of its pieces, but for when it knew it."""
    found = [
        [msgspec.structs.replace(one, seconds=0) for one in each] for each in (result.broken, result.repaired)
    ]
    return (
        *(*found, result.costs, result.changes, result.same, result.left_out),
        *(result.states, result.schedules, [stage.asked for stage in result.stages]),
    )


def test_shards_put_together_are_the_review_of_one_process(store: Path) -> None:
    """In all that it says."""
    base, design, pieces = ModelMachine("7.3"), ModelMachine(DESIGN), plan()

    with Store(str(store)) as opened:
        known = answers_in(opened, ReviewHead.of(base, design, pieces))
    together = review(base, design, seconds=0, pieces=pieces, known=known)

    assert list(range(FIRST, END)) == sorted(known)
    assert together.broken
    assert told(review(base, design, seconds=240, pieces=pieces[FIRST:END])) == told(together)


def test_what_a_shard_finds_newly_broken_is_a_verdict(store: Path) -> None:
    """With its program, as of a search."""
    with Store(str(store)) as opened:
        seen = opened.results(ResultFilter(verdict="violated"))

    assert {"review"} == {one.task for one in seen}
    assert "no_leak" in {one.subject for one in seen}
    assert all(one.program.startswith("pfnlab program 1\n") for one in seen)


def test_a_store_without_the_review_is_refused(store: Path) -> None:
    """That of another design is none."""
    head = ReviewHead.of(ModelMachine("7.3"), ModelMachine("7.3,tracker=exact"), plan())

    with Store(str(store)) as opened, pytest.raises(Misuse, match="no campaign there has reviewed"):
        answers_in(opened, head)


def test_answers_of_another_version_are_left_out(store: Path, tmp_path: Path) -> None:
    """Whatever form they have: the others of the store count."""
    copy = tmp_path / "s.db"
    copy.write_bytes(store.read_bytes())
    head = ReviewHead.of(ModelMachine("7.3"), ModelMachine(DESIGN), plan())
    with Store(str(copy)) as opened:
        whole = answers_in(opened, head)
    with sqlite3.connect(copy) as changed:
        ((digest, text),) = changed.execute("SELECT digest, detail FROM results WHERE kind = 'run' LIMIT 1")
        earlier = {"head": {**json.loads(text)["head"], "plan": "another"}, "answers": [{"changed": []}]}
        changed.execute("UPDATE results SET detail = ? WHERE digest = ?", (json.dumps(earlier), digest))

    with Store(str(copy)) as opened:
        left = answers_in(opened, head)

    assert 0 < len(left) < len(whole)
    assert left == {number: whole[number] for number in left}


def test_a_damaged_answer_is_refused(store: Path, tmp_path: Path) -> None:
    """In one line that names the result."""
    copy = tmp_path / "s.db"
    copy.write_bytes(store.read_bytes())
    with sqlite3.connect(copy) as changed:
        changed.execute("UPDATE results SET detail = '{\"head\": 3}' WHERE kind = 'run'")
    head = ReviewHead.of(ModelMachine("7.3"), ModelMachine(DESIGN), plan())

    with Store(str(copy)) as opened, pytest.raises(Misuse, match=r"damaged \(result [0-9a-f]{8}: "):
        answers_in(opened, head)


def test_questions_of_another_version_are_refused() -> None:
    """A shard from an older campaign means other pieces."""
    work = ReviewWork(machines=("model:7.3", "model:7.3"), plan="0", first=0, end=1)

    with pytest.raises(Misuse, match="start a new campaign"):
        review_shard(work)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('designs = ["mine.py"]\nbases = ["model:7.3"]\n', "designs: only running mine.py tells its seam"),
        ('designs = ["flush=non"]\nbases = ["model:7.3"]\n', "designs: "),
        ('designs = ["flush"]\nbases = ["model:7.3"]\n', "designs: 'flush' is not a design"),
        ('designs = ["flush=none"]\nbases = ["qemu:7.3"]\n', "bases: qemu:7.3 cannot be reviewed against"),
        ('designs = ["flush=none"]\nbases = []\n', "bases: this list is empty"),
        ('designs = ["flush=none"]\n', "write the missing key `bases`"),
    ],
)
def test_a_mistake_in_its_table_is_one_line(text: str, says: str) -> None:
    """With the key."""
    with pytest.raises(Misuse) as refused:
        campaign(text)

    assert says in str(refused.value)
