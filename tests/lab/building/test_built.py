"""Kernels that were built here: stored by name, found, refused when damaged, removed."""

from pathlib import Path

import pytest
from toy_tree import image

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.lab.building.built import (
    BuiltKernel,
    built,
    built_kernels,
    check_name,
    find,
    keep_built,
    remove_built,
    with_content,
)
from pfnlab.lab.images.cache import sha256_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))


def keep(tmp_path: Path, name: str = "mine", content: str = "abc") -> BuiltKernel:
    (tmp_path / "bzImage").write_bytes(image())
    (tmp_path / "config").write_text("CONFIG_64BIT=y\n")
    kernel = BuiltKernel(
        name=name,
        version="7.2.13",
        series="7.2",
        release="7.2.13",
        source="linux",
        patches=("x.patch",),
        policy="flush=end_vma",
        configuration="lab",
        lacks=(),
        content=content,
        sha256=sha256_of(tmp_path / "bzImage"),
        seconds=1.0,
    )
    return keep_built(kernel, tmp_path / "bzImage", tmp_path / "config")


def test_a_kernel_is_found_by_its_name(tmp_path: Path) -> None:
    """All that was kept of it is read back."""
    kept = keep(tmp_path)
    assert built("mine") == kept


def test_its_configuration_is_kept(tmp_path: Path) -> None:
    """The configuration lies beside the image."""
    assert keep(tmp_path).config.read_text() == "CONFIG_64BIT=y\n"


def test_it_boots_what_was_built(tmp_path: Path) -> None:
    """The image it boots is the one that was kept."""
    assert keep(tmp_path).image.vmlinuz.read_bytes() == image()


def test_two_contents_are_two_versions(tmp_path: Path) -> None:
    """So no driver or booted state of one is taken for the other's."""
    first = keep(tmp_path, "a", "one").image.version
    assert keep(tmp_path, "b", "two").image.version != first


def test_another_of_the_same_name_takes_its_place(tmp_path: Path) -> None:
    """A name stands for the kernel that was built last."""
    keep(tmp_path, content="one")
    keep(tmp_path, content="two")
    assert [kernel.content for kernel in built_kernels()] == ["two"]


def test_one_is_found_by_its_content(tmp_path: Path) -> None:
    """A tree that was built before is found by what is in it."""
    keep(tmp_path, content="one")
    found = with_content("one")
    assert found is not None and found.name == "mine"


def test_a_name_that_is_not_there_gets_a_guess(tmp_path: Path) -> None:
    """A misspelt name is misuse, with the nearest one."""
    keep(tmp_path)
    with pytest.raises(Misuse, match=r"no kernel 'mime' was built here: did you mean mine\?"):
        built("mime")


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    """An image that changed in the cache is not booted."""
    keep(tmp_path).image.vmlinuz.write_bytes(b"x")
    with pytest.raises(Undecided, match=r"vmlinuz is damaged: build mine again"):
        built("mine")


def test_one_that_is_removed_is_gone(tmp_path: Path) -> None:
    """A removed kernel is no longer found."""
    keep(tmp_path)
    remove_built("mine")
    assert find("mine") is None


def test_a_folder_with_another_note_is_no_kernel(tmp_path: Path) -> None:
    """A folder that was renamed is not listed."""
    home = keep(tmp_path).home
    home.rename(home.with_name("other"))
    assert built_kernels() == []


@pytest.mark.parametrize("name", ["7.2", "6.12.107", "", "a b", "../x", "-x", "7"])
def test_no_name(name: str) -> None:
    """A name cannot be a version, a path, an option or empty."""
    with pytest.raises(Misuse, match="is not a valid kernel name"):
        check_name(name)


@pytest.mark.parametrize("name", ["mine", "7.2-flush-end_vma", "v7", "6.12-own"])
def test_name(name: str) -> None:
    """A name may hold a version, dots and dashes."""
    assert check_name(name) == name
