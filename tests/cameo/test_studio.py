"""Studio: refusals first and before any model is opened, then the whole way on a tiny real pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

import cameo
from cameo.demo import CLIP
from cameo.errors import (
    HandleTaken,
    InputRefused,
    PermissionDenied,
    PromptInvalid,
    Revoked,
    RuleBroken,
    StoreFull,
    Suspended,
    UnknownHandle,
)
from cameo.scene import write_scene
from cameo.studio import Studio, default_home
from cameo.vault import Vault
from enroll.errors import ConsentExpired, WeightsMissing

NO_MODEL = "a model that is not there"
PROMPT = '@ada says "hello" by the sea'


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(path)) as container:
        return pictures, np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)


# Refusals. Each names a model that does not exist: if it were asked for first, WeightsMissing would come.


def test_refuses_a_prompt_that_names_nobody(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(PromptInvalid):
        studio.generate("a walk by the sea", out=tmp_path / "scene.mp4", model=NO_MODEL)


def test_refuses_whom_it_does_not_know(studio: Studio, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    with pytest.raises(UnknownHandle):
        studio.generate("@ada and @bob", out=tmp_path / "scene.mp4", model=NO_MODEL)


def test_refuses_a_user_without_a_grant(studio: Studio, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    with pytest.raises(PermissionDenied):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", user="eve", model=NO_MODEL)
    studio.allow("ada", user="eve")
    with pytest.raises(WeightsMissing):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", user="eve", model=NO_MODEL)
    studio.deny("ada", user="eve")
    with pytest.raises(PermissionDenied):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", user="eve", model=NO_MODEL)


def test_refuses_a_use_nobody_agreed_to(studio: Studio, enrolled, tmp_path: Path) -> None:
    enrolled("ada", uses=("evaluate",))
    with pytest.raises(PermissionDenied, match="not to generate"):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", model=NO_MODEL)


def test_refuses_a_consent_whose_time_is_over(studio: Studio, enrolled, home: Path, tmp_path: Path) -> None:
    enrolled("ada", valid_days=1, retention_days=10)
    later = Studio()
    later.vault = Vault(home, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    with pytest.raises(ConsentExpired):
        later.generate(PROMPT, out=tmp_path / "scene.mp4", model=NO_MODEL)


def test_refuses_the_revoked(studio: Studio, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    studio.revoke("@Ada")
    with pytest.raises(Revoked):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", model=NO_MODEL)
    assert not (tmp_path / "scene.mp4").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": 21},
        {"seconds": float("nan")},
        {"seed": -1},
        {"seed": 2**63},
        {"identity_scale": -0.1},
        {"identity_scale": float("inf")},
    ],
)
def test_refuses_numbers_that_make_no_sense(studio: Studio, enrolled, tmp_path: Path, wrong: dict[str, float]) -> None:
    enrolled("ada")
    with pytest.raises(InputRefused, match="expected"):
        studio.generate(PROMPT, out=tmp_path / "scene.mp4", model=NO_MODEL, **wrong)


def test_refuses_an_impossible_place_before_anything_is_leased(studio: Studio, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    before = studio.verify_log().size
    for out in (tmp_path, tmp_path / "no" / "scene.mp4"):
        with pytest.raises(InputRefused):
            studio.generate(PROMPT, out=out, model=NO_MODEL)
    assert studio.verify_log().size == before


def test_a_taken_handle_is_found_before_the_clip_is_opened(studio: Studio, enrolled, tmp_path: Path) -> None:
    first = enrolled("ada")
    second = studio.attest(studio.new_consent(name="Another", handle="ada"), by="the tests")
    with pytest.raises(HandleTaken):
        studio.enroll(tmp_path / "no clip.mp4", second)
    studio.revoke("ada")
    with pytest.raises(Revoked):
        studio.enroll(tmp_path / "no clip.mp4", first)


def test_revoked_while_drawing_the_scene_is_never_written(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada")
    shares: list[float] = []

    def watch(doing: str, share: float) -> None:
        shares.append(share)
        if doing == "drawing" and len(shares) == 3:
            Studio(home).revoke("ada")

    target = tmp_path / "out" / "scene.mp4"
    target.parent.mkdir()
    with pytest.raises(Revoked, match="while the scene was made"):
        studio.generate(PROMPT, out=target, model=str(tiny_model), progress=watch)
    # It stopped at the next step, not at the end.
    assert max(shares) < 0.8
    assert not list(target.parent.iterdir())
    # What was conditioned on her is not left in the model either: it draws for the next one as if she never was.
    enrolled("bob", 1)
    again = studio.generate("@bob", out=tmp_path / "a.mp4", model=str(tiny_model))
    fresh = Studio(home).generate("@bob", out=tmp_path / "b.mp4", model=str(tiny_model))
    assert np.array_equal(decoded(again.path)[0], decoded(fresh.path)[0])


def test_denied_while_drawing_the_scene_is_never_written(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada", grants=("user:bob",))
    (tmp_path / "out").mkdir()

    def watch(doing: str, share: float) -> None:
        if doing == "drawing":
            Studio(home).deny("ada", user="bob")

    with pytest.raises(PermissionDenied, match="while the scene was made"):
        studio.generate(PROMPT, out=tmp_path / "out" / "a.mp4", user="bob", model=str(tiny_model), progress=watch)
    assert not list((tmp_path / "out").iterdir())


def test_suspended_while_drawing_the_scene_is_never_written(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada")
    (tmp_path / "out").mkdir()
    shares: list[float] = []

    def watch(doing: str, share: float) -> None:
        shares.append(share)
        if doing == "drawing" and len(shares) == 3:
            Studio(home).suspend("ada")

    with pytest.raises(Suspended, match="while the scene was made"):
        studio.generate(PROMPT, out=tmp_path / "out" / "a.mp4", model=str(tiny_model), progress=watch)
    assert max(shares) < 0.8 and not list((tmp_path / "out").iterdir())
    studio.resume("ada")
    studio.generate(PROMPT, out=tmp_path / "out" / "a.mp4", model=str(tiny_model))


def test_forbidden_while_drawing_the_scene_is_never_written(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada")
    (tmp_path / "out").mkdir()

    def watch(doing: str, share: float) -> None:
        if doing == "drawing":
            Studio(home).forbid("ada", "the sea")

    with pytest.raises(RuleBroken, match="while the scene was made"):
        studio.generate(PROMPT, out=tmp_path / "out" / "a.mp4", model=str(tiny_model), progress=watch)
    assert not list((tmp_path / "out").iterdir())


def test_a_scene_that_cannot_be_recorded_is_not_written(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Revoked after the last step: the vault refuses the record, and the file never appears."""
    enrolled("ada")

    def watch(doing: str, share: float) -> None:
        if doing == "writing the scene":
            Studio(home).revoke("ada")

    target = tmp_path / "out" / "scene.mp4"
    target.parent.mkdir()
    with pytest.raises(Revoked):
        studio.generate(PROMPT, out=target, model=str(tiny_model), progress=watch)
    assert not list(target.parent.iterdir())


def test_a_full_disk_leaves_no_scene(studio: Studio, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    import resource
    import signal

    enrolled("ada")
    target = tmp_path / "out" / "scene.mp4"
    target.parent.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def watch(doing: str, share: float) -> None:
        if doing == "writing the scene":
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))

    try:
        with pytest.raises(StoreFull):
            studio.generate(PROMPT, out=target, model=str(tiny_model), progress=watch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(target.parent.iterdir())


# The whole way.


def test_the_same_seed_gives_the_same_scene_and_another_another(
    studio: Studio, enrolled, home: Path, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada")
    scenes = {
        name: decoded(maker.generate(PROMPT, out=tmp_path / f"{name}.mp4", model=str(tiny_model), seed=seed).path)
        for name, maker, seed in (("a", studio, 1), ("b", Studio(home), 1), ("c", studio, 2))
    }
    for kind, first, again, other in zip(("picture", "sound"), scenes["a"], scenes["b"], scenes["c"], strict=True):
        np.testing.assert_array_equal(first, again, err_msg=kind)
        assert not np.array_equal(first, other), kind


def test_the_handle_chooses_the_person(studio: Studio, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    """Same prompt but for the handle, same seed: other people, another picture and voice; at scale 0 the same ones."""
    enrolled("ada", 0)
    enrolled("bob", 1)

    def scene(handle: str, scale: float) -> tuple[np.ndarray, np.ndarray]:
        out = tmp_path / f"{handle}{scale}.mp4"
        return decoded(studio.generate(f"@{handle}", out=out, model=str(tiny_model), identity_scale=scale).path)

    assert not any(np.array_equal(x, y) for x, y in zip(scene("ada", 1), scene("bob", 1), strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(scene("ada", 0), scene("bob", 0), strict=True))


def test_two_people_in_one_scene(studio: Studio, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    enrolled("ada", 0)
    enrolled("bob", 1)
    made = studio.generate('@ada says "hello" and @bob says "hello"', out=tmp_path / "two.mp4", model=str(tiny_model))
    assert made.cast == ("ada", "bob")
    assert [role.handle for role in studio.check(made.path).cast] == ["ada", "bob"]
    studio.revoke("bob")
    assert [(r.handle, r.status) for r in studio.check(made.path).cast] == [("ada", "in_force"), (None, "revoked")]


def test_the_result_says_what_was_written(studio: Studio, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    enrolled("ada")
    made = studio.generate(
        '@ada says "goodbye"', out=tmp_path / "scene.mp4", model=str(tiny_model), seconds=1.4, seed=5
    )
    pictures, sound = decoded(made.path)
    assert pictures.shape == (17, 64, 64, 3)
    assert (made.seconds, made.width, made.height, made.fps) == (17 / 12.5, 64, 64, 12.5)
    assert sound.shape[1] == pytest.approx(made.seconds * made.sample_rate, abs=2048)
    assert (made.unknown_words, made.unused_loras) == (("goodbye",), ())
    assert studio.show("ada").uses == 1
    assert studio.verify_log().size > 0


def test_a_lora_of_another_version_is_not_passed_over_in_silence(
    studio: Studio, enrolled, tiny_model: Path, tmp_path: Path
) -> None:
    enrolled("ada", uses=("generate", "personalize"))
    with studio.vault.lease("ada", purpose="personalize") as lease:
        studio.vault.keep_tuning(lease, "nano", "of long ago", b"never read")
    made = studio.generate('@ada says "hello"', out=tmp_path / "scene.mp4", model=str(tiny_model), seconds=0.4)
    assert made.unused_loras == ("ada",)


def test_check_knows_the_file_the_changed_file_and_nothing(
    studio: Studio, enrolled, tiny_model: Path, tmp_path: Path
) -> None:
    record = enrolled("ada")
    made = studio.generate(PROMPT, out=tmp_path / "scene.mp4", model=str(tiny_model))
    found = studio.check(made.path)
    assert (found.found_by, found.manifest.state, found.sha256) == ("record", "Trusted", made.sha256)
    assert [(r.handle, r.consent_id, r.status) for r in found.cast] == [("ada", record.consent_id, "in_force")]

    changed = bytearray(made.path.read_bytes())
    changed[changed.index(b"mdat") + 2000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(changed)
    found = studio.check(tmp_path / "changed.mp4")
    assert (found.found_by, found.manifest.state) == ("watermark", "Invalid")
    assert [r.handle for r in found.cast] == ["ada"]

    stranger = Studio(tmp_path / "elsewhere").check(made.path)
    assert (stranger.found_by, stranger.manifest.state) == ("claim", "Valid")
    assert [(r.handle, r.status) for r in stranger.cast] == [(None, "unknown")]

    studio.revoke("ada")
    found = studio.check(made.path)
    assert [(r.handle, r.status) for r in found.cast] == [(None, "revoked")]


def test_a_scene_names_nobody_in_its_bytes(studio: Studio, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    """Handle, name, identity id and prompt stay in the vault; the consent's id is in the file, on purpose."""
    record = enrolled("unmistakable")
    identity_id = studio.show("unmistakable").identity_id
    made = studio.generate('@unmistakable says "hello"', out=tmp_path / "scene.mp4", model=str(tiny_model))
    blob = made.path.read_bytes()
    assert record.consent_id.encode() in blob
    for secret in ("unmistakable", "Unmistakable", identity_id, str(tiny_model), str(tmp_path)):
        assert secret.encode() not in blob


@pytest.mark.parametrize("name", ["missing.mp4", "note.mp4", "empty.mp4", "."])
def test_check_refuses_what_is_no_video(studio: Studio, tmp_path: Path, name: str) -> None:
    (tmp_path / "note.mp4").write_text("not a film")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InputRefused):
        studio.check(tmp_path / name)


def test_home_is_the_environments_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("CAMEO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform == "linux":
        assert default_home() == tmp_path / "data" / "cameo"
    assert Studio(tmp_path / "other").home == tmp_path / "other"


def test_importing_studio_opens_no_model_library() -> None:
    heavy = {"torch", "diffusers", "dlib", "transformers"}
    code = f"import sys, cameo; cameo.Studio; print(sorted({heavy} & set(sys.modules)))"
    root = Path(cameo.__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, env=dict(os.environ))
    assert done.stdout.strip() == "[]", done.stderr


def test_the_version_is_the_distributions() -> None:
    import tomllib

    with (Path(cameo.__file__).resolve().parents[1] / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == cameo.__version__


@pytest.mark.parametrize("found_by", ["watermark", "likeness"])
def test_a_stripped_copy_is_known_and_stays_known(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    """Encoded again, so neither digest nor manifest tell; and after everybody in it is gone."""
    if found_by == "likeness":
        monkeypatch.setenv("CAMEO_WATERMARK", "off")
    studio.enroll(CLIP, studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the tests"))
    made = studio.generate(PROMPT, out=tmp_path / "a.mp4")
    other = studio.generate("@ada in a room", out=tmp_path / "b.mp4", seed=5)
    pictures, sound = decoded(made.path)
    write_scene(tmp_path / "copy.mp4", pictures, sound, made.fps, made.sample_rate)
    found = studio.check(tmp_path / "copy.mp4")
    assert (found.found_by, found.original) == (found_by, made.sha256)
    assert [(role.handle, role.status) for role in found.cast] == [("ada", "in_force")]
    assert found.manifest.state == "absent"
    assert studio.check(other.path).found_by == "record"
    studio.revoke("ada")
    found = studio.check(tmp_path / "copy.mp4")
    assert found.found_by == found_by and [role.status for role in found.cast] == ["revoked"]
    for name, strange in (("upside down", pictures[:, ::-1]), ("black", np.zeros_like(pictures))):
        write_scene(tmp_path / f"{name}.mp4", strange.copy(), np.zeros(8000, np.float32), 12.5, 16_000)
        assert studio.check(tmp_path / f"{name}.mp4").found_by is None
