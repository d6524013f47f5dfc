"""The flags file: legal combinations, atomic change, audit, and what happens when it is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.clock import VirtualClock
from bot.migration.flags import FlagsCorrupt, FlagsFile
from bot.migration.register import Register, Unit
from bot.migration.stages import EFFECTS, NAMES_EVER_USED, RETIRED, BadFlag, Flag, FlagRefused, check
from bot.model.times import SECOND

SHADOW = Flag("shadow", ("rust", "cython"))


@pytest.fixture
def flags(tmp_path: Path) -> FlagsFile:
    return FlagsFile(tmp_path / "flags.json", VirtualClock(1_764_000_000 * SECOND))


def test_without_a_file_every_stage_is_off_and_python_decides(flags: FlagsFile) -> None:
    register = Register(flags)
    for component in EFFECTS:
        assert register.unit(component) == Unit(component, "off", "python", (), 0)
    assert register.alarm is None


def test_a_change_is_written_audited_and_seen_by_another_reader(flags: FlagsFile, tmp_path: Path) -> None:
    other = FlagsFile(tmp_path / "flags.json", VirtualClock(0))
    row = flags.set("market_data", SHADOW, who="owner", reason="first run", builds={"rust": "abc"})
    assert (row.before.stage, row.after.stage, row.epoch, row.result) == ("off", "shadow", 1, "changed")
    assert other.poll()
    assert not other.poll()
    assert other.current.flag("market_data") == SHADOW
    (kept,) = other.audit()
    assert kept == row
    assert kept.at == "2025-11-24T16:00:00Z"
    assert kept.builds == {"rust": "abc"}


@pytest.mark.parametrize(
    ("component", "flag", "text"),
    [
        ("market_data", Flag("shadow"), "one or more of cython, rust"),
        ("market_data", Flag("shadow", ("go",)), "one or more of cython, rust"),
        ("market_data", Flag("shadow", ("rust", "rust")), "each once"),
        ("market_data", Flag("off", ("rust",)), "none at stage off"),
        ("market_data", Flag("shadow", ("rust",), "contract:X"), "none at stage shadow"),
        ("market_data", Flag("canary", ("rust",)), "contract:<value>"),
        ("market_data", Flag("canary", ("rust",), "account:1"), "contract:<value>"),
        ("market_data", Flag("canary", ("rust", "cython"), "contract:X"), "exactly one"),
        ("market_data", Flag("live", ("rust",), "contract:X"), "none at stage live"),
        ("order_execution", Flag("shadow", ("rust",)), "no candidate is built"),
        ("database", Flag("replay", ("rust",)), "no candidate is built"),
        ("orders", Flag(), "order_execution"),
    ],
)
def test_an_illegal_combination_is_refused_with_what_is_legal(
    flags: FlagsFile, component: str, flag: Flag, text: str
) -> None:
    with pytest.raises(BadFlag, match=text):
        flags.set(component, flag, who="owner")
    assert flags.audit() == []
    assert not flags.path.exists()


def test_canary_and_beyond_are_refused_with_exit_7_and_the_attempt_is_audited(flags: FlagsFile) -> None:
    flags.set("market_data", SHADOW, who="owner")
    canary = Flag("canary", ("rust",), "contract:CON.F.US.MNQ.Z25")
    with pytest.raises(FlagRefused, match="3,410 of 3,880 episodes") as refused:
        flags.set(
            "market_data", canary, who="owner", gate={"passed": False, "missing": ["3,410 of 3,880 episodes"]}
        )
    assert refused.value.exit_code == 7
    assert "executes off, replay, shadow only" in str(refused.value)
    with pytest.raises(FlagRefused, match="--reason"):
        flags.set("market_data", canary, who="owner", override=True)
    with pytest.raises(FlagRefused, match="override and its reason"):
        flags.set("market_data", canary, who="owner", override=True, reason="I want to")
    with pytest.raises(FlagRefused, match="although the gate is passed"):
        flags.set("market_data", Flag("live", ("rust",)), who="owner", gate={"passed": True})
    assert flags.current.flag("market_data") == SHADOW
    rows = flags.audit()
    assert [row.override for row in rows] == [False, False, True, True, False]
    assert rows[3].reason == "I want to"
    assert all(row.result.startswith("refused") for row in rows[1:])


def test_a_broken_file_keeps_the_last_good_flags_and_raises_an_alarm(flags: FlagsFile) -> None:
    flags.set("market_data", SHADOW, who="owner")
    flags.path.write_text('{"version": 1, "components": {"market_data": {"stage": "sha')
    assert not flags.poll()
    assert flags.current.flag("market_data") == SHADOW
    assert "cannot be read" in str(flags.alarm)


def test_a_process_that_never_saw_good_flags_runs_with_everything_off(tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_bytes(b"\xff\x00 not json")
    flags = FlagsFile(tmp_path / "flags.json", VirtualClock(0))
    assert Register(flags).unit("market_data").stage == "off"
    assert flags.alarm is not None
    with pytest.raises(FlagsCorrupt, match="bot flags set"):
        flags.load()


def test_setting_a_flag_over_a_broken_file_loses_neither_the_file_nor_other_flags(flags: FlagsFile) -> None:
    flags.set("market_data", SHADOW, who="owner")
    flags.path.write_text("broken")
    flags.poll()
    flags.set("order_execution", Flag(), who="owner")
    assert flags.path.with_name("flags.json.corrupt-1").read_text() == "broken"
    assert flags.current.flag("market_data") == SHADOW
    assert flags.current.epoch == 2
    assert flags.alarm is None


def test_a_torn_audit_line_is_left_out_and_the_next_row_stands_on_its_own(flags: FlagsFile) -> None:
    flags.set("market_data", SHADOW, who="owner")
    with flags.audit_path.open("ab") as file:
        file.write(b'{"at": "2025')
    flags.set("market_data", Flag(), who="owner")
    assert [row.after.stage for row in flags.audit()] == ["shadow", "off"]


def test_a_stage_beyond_shadow_in_the_file_runs_as_shadow_with_an_alarm(flags: FlagsFile) -> None:
    document = {
        "version": 1,
        "epoch": 9,
        "components": {"market_data": {"stage": "live", "candidates": ["rust"]}},
    }
    flags.path.write_text(json.dumps(document))
    assert flags.poll()
    unit = Register(flags).unit("market_data")
    assert (unit.stage, unit.authority) == ("shadow", "python")
    assert "Python stays the authority" in str(flags.alarm)


def test_listeners_hear_of_their_component_only(flags: FlagsFile) -> None:
    register, heard = Register(flags), []
    register.listen("market_data", heard.append)
    register.listen("database", lambda _unit: pytest.fail("database did not change"))
    flags.set("market_data", SHADOW, who="owner")
    # The file's own process has already looked; a register polls its own copy.
    other = FlagsFile(flags.path, VirtualClock(0))
    fresh = Register(other)
    fresh.listen("market_data", heard.append)
    assert heard == []
    flags.set("market_data", Flag("replay", ("rust",)), who="owner")
    assert fresh.poll()
    assert [unit.stage for unit in heard] == ["replay"]


def test_flag_names_are_never_used_twice() -> None:
    assert len(set(NAMES_EVER_USED)) == len(NAMES_EVER_USED)
    assert set(EFFECTS) == set(NAMES_EVER_USED) - RETIRED
    with pytest.raises(BadFlag):
        check("fast_orders", Flag())
