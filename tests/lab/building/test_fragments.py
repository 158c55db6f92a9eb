"""Configurations: fragments merged, options read, and what a tree lacks."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.lab.building.fragments import (
    REQUIRED,
    configuration_name,
    fragment_text,
    lacking,
    merged,
    options_of,
    requested_options,
)


def test_an_option_that_is_not_set_is_off() -> None:
    """The kernel's comment for an option that is off is read as n."""
    assert options_of("# CONFIG_NET is not set\n") == {"NET": "n"}


def test_the_last_line_of_an_option_counts() -> None:
    """An option that stands twice has its second value."""
    assert options_of("CONFIG_NET=y\nCONFIG_NET=m\n") == {"NET": "m"}


def test_a_comment_is_no_option() -> None:
    """Other comments are passed over."""
    assert options_of("# what programs use\n") == {}


def test_a_fragment_takes_the_place_of_an_option() -> None:
    """A merged configuration has each option once, with the fragment's value."""
    assert merged("CONFIG_A=y\n# CONFIG_NET is not set\n", "CONFIG_NET=y\n") == "CONFIG_A=y\nCONFIG_NET=y\n"


def test_what_a_tree_turned_off_is_lacking() -> None:
    """An option that was asked for and is off after the merge is lacking."""
    assert lacking("# CONFIG_NET is not set\n", "CONFIG_NET=y\n", {"NET"}) == ["NET"]


def test_what_a_tree_does_not_know_is_lacking() -> None:
    """So is one that the tree's configuration does not mention."""
    assert lacking("", "CONFIG_NET=m\n", {"NET"}) == ["NET"]


def test_what_was_to_be_off_is_not_lacking() -> None:
    """An option that was to be off is not missed."""
    assert lacking("", "CONFIG_NET=n\n", {"NET"}) == []


def test_what_nobody_asks_for_is_not_lacking() -> None:
    """Only options that are asked for are missed."""
    assert lacking("", "CONFIG_PTRACE=y\n", {"NET"}) == []


def test_a_file_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    """Every option of a user's file counts as asked for."""
    (tmp_path / "mine.config").write_text("CONFIG_KASAN=y\n")
    assert "KASAN" in requested_options((str(tmp_path / "mine.config"),))


def test_so_is_what_a_rule_asks() -> None:
    """So does every option on which a rule of the model depends."""
    assert "KSM" in requested_options(())


def test_a_module_in_place_of_a_built_in_is_not_lacking() -> None:
    """An option that became a module is there."""
    assert lacking("CONFIG_NET=m\n", "CONFIG_NET=y\n", {"NET"}) == []


def test_the_packaged_configuration_has_what_the_lab_requires() -> None:
    """It sets all of REQUIRED, but for what others imply."""
    wanted = options_of(fragment_text(()))
    implied = {"TTY", "64BIT"}
    assert [name for name in REQUIRED if wanted.get(name, "n") == "n" and name not in implied] == []


def test_a_file_comes_on_top_of_the_labs(tmp_path: Path) -> None:
    """A user's file adds to the lab's configuration."""
    (tmp_path / "mine.config").write_text("CONFIG_KASAN=y\n")
    options = options_of(fragment_text((str(tmp_path / "mine.config"),)))
    assert (options["KASAN"], options["DEVMEM"]) == ("y", "y")


def test_a_line_that_is_no_option_is_named(tmp_path: Path) -> None:
    """A wrong line is misuse, with file, line and the form to write."""
    (tmp_path / "mine.config").write_text("CONFIG_KASAN=y\nKASAN\n")
    with pytest.raises(Misuse, match=r"mine\.config:2: 'KASAN' is not an option: write CONFIG_NAME=y"):
        fragment_text((str(tmp_path / "mine.config"),))


def test_a_configuration_that_is_not_there_is_named() -> None:
    """An unknown name is misuse, with the names there are."""
    with pytest.raises(Misuse, match=r"no configuration 'tiny': write lab, minimal, debug, or a file"):
        fragment_text(("tiny",))


def test_a_packaged_configuration_is_called_by_its_name() -> None:
    """Without a choice it is lab."""
    assert configuration_name(()) == "lab"


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Equal file names in two folders give two names."""
    names = {configuration_name((str(tmp_path / folder / "mine.config"),)) for folder in "ab"}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "this is a device: name a configuration file"),
        (os.mkfifo, "this is a pipe: a configuration has to be a file here"),
        (Path.mkdir, "this is a directory: name a configuration file in it"),
        (lambda path: path.write_bytes(b"\n" * (1 << 20) + b"\n"), "a configuration is at most 1 MiB"),
        (lambda path: path.write_bytes(b"\xff"), "this is not UTF-8"),
    ],
    ids=["device", "pipe", "folder", "large", "bytes"],
)
def test_a_fragment_that_is_no_text_file(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    """It is refused at once, whatever it is."""
    path = tmp_path / "mine.config"
    make(path)

    with pytest.raises(Misuse, match=rf"mine\.config: {says}"):
        fragment_text((str(path),))
