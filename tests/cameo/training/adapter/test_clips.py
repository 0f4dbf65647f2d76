"""What is found in folders and shards, and what of a shard is never followed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cameo.errors import InputRefused
from cameo.training.adapter.clips import find_clips


def shard(path: Path, *members: tuple[str, bytes], extra: tuple[tarfile.TarInfo, ...] = (), mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_a_folder_has_clips_beside_consents_and_captions(tmp_path):
    (tmp_path / "b.c.mp4").write_bytes(b"pictures")
    (tmp_path / "b.c.consent.json").write_text("{}")
    (tmp_path / "b.c.txt").write_text(" a person\nwaves ")
    (tmp_path / "a.MOV").write_bytes(b"others")
    (tmp_path / "notes.pdf").write_bytes(b"")
    found, refused = find_clips(tmp_path)
    assert refused == [] and [clip.name for clip in found] == ["a.MOV", "b.c.mp4"]
    assert (found[0].consent, found[0].caption) == (None, "")
    assert (found[1].consent, found[1].caption) == (b"{}", "a person waves")
    with found[1].opened() as path:
        assert path.read_bytes() == b"pictures"


def test_a_shard_is_read_in_memory_and_nothing_of_it_is_written(tmp_path):
    path = shard(
        tmp_path / "0.tar", ("x/1.mp4", b"one"), ("x/1.consent.json", b"{}"), ("x/1.txt", b"a"), ("x/2.mp4", b"two")
    )
    for data in (tmp_path, path):
        found, refused = find_clips(data)
        assert refused == [] and [clip.name for clip in found] == ["0.tar/x/1", "0.tar/x/2"]
        assert [clip.consent for clip in found] == [b"{}", None]
        for clip, content in zip(found, (b"one", b"two"), strict=True):
            with clip.opened() as at:
                assert at.read_bytes() == content
            assert not at.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../1.mp4", "/etc/1.mp4", "x/../../1.mp4", "1\n.mp4"])
def test_a_member_that_leads_out_of_its_shard_is_not_taken(tmp_path, name):
    path = shard(tmp_path / "0.tar", (name, b"one"), ("2.mp4", b"two"))
    found, refused = find_clips(path)
    assert [clip.name for clip in found] == ["0.tar/2"]
    assert len(refused) == 1 and "leads out of the shard" in refused[0] and "\n" not in refused[0]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_not_taken(tmp_path, kind):
    path = shard(tmp_path / "0.tar", ("2.mp4", b"two"), extra=(special("1.mp4", kind, "/etc/passwd"),))
    found, refused = find_clips(path)
    assert [clip.name for clip in found] == ["0.tar/2"]
    assert refused == ["0.tar: '1.mp4' is no ordinary file"]


def test_a_consent_that_is_there_twice_is_none(tmp_path):
    path = shard(
        tmp_path / "0.tar", ("1.mp4", b"one"), ("1.consent.json", b"{}"), ("1.consent.json", b"[]"), ("2.mp4", b"two")
    )
    found, refused = find_clips(path)
    assert [clip.name for clip in found] == ["0.tar/2"] and "there twice" in refused[0]


def test_a_shard_that_is_cut_off_gives_what_is_whole(tmp_path):
    path = shard(tmp_path / "0.tar", ("1.mp4", b"one"), ("2.mp4", bytes(4000)))
    path.write_bytes(path.read_bytes()[:2500])
    found, refused = find_clips(path)
    assert [clip.name for clip in found] == ["0.tar/1"] and len(refused) >= 1


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_shard_is_refused(tmp_path, mode):
    with pytest.raises(InputRefused, match=r"no clip in .*compressed"):
        find_clips(shard(tmp_path / "0.tar", ("1.mp4", b"one"), mode=mode))


def test_where_there_is_nothing_it_says_so(tmp_path):
    with pytest.raises(InputRefused, match="there is no clip in") as refused:
        find_clips(tmp_path)
    assert "NAME.consent.json" in refused.value.hint
    with pytest.raises(InputRefused, match="there is no clip in"):
        find_clips(tmp_path / "nothing")
