"""Attacks on signed models: changed, signed by others, or judged by keys that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.model import saving, signing
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError

pytest.importorskip("cryptography", reason="no signatures here; pip install distaff[sign]")
import distaff


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the public keys of two suppliers; the first one's is trusted, and signs."""
    public = {name: signing.make_key(tmp_path / f"{name}.pem") for name in ("ours", "other")}
    (tmp_path / "trusted").write_text(f"# suppliers\n{public['ours']}  # the first\n\n")
    monkeypatch.setenv(signing.TRUSTED_KEYS, str(tmp_path / "trusted"))
    monkeypatch.setenv(signing.SIGNING_KEY, str(tmp_path / "ours.pem"))
    return public


def saved(folder: Path) -> Path:
    distaff.Popularity().fit(checkerboard()).save(folder)
    return folder


def test_model_that_no_trusted_key_signed_is_not_read(
    tmp_path: Path, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = saved(tmp_path / "m")
    assert isinstance(Recommender.load(ours), distaff.Popularity)
    monkeypatch.setenv(signing.SIGNING_KEY, str(tmp_path / "other.pem"))
    other = saved(tmp_path / "n")
    with pytest.raises(InputError, match="signed by none of the keys"):
        Recommender.load(other)
    monkeypatch.delenv(signing.SIGNING_KEY)
    bare = saved(tmp_path / "b")
    with pytest.raises(InputError, match="not signed"):
        Recommender.load(bare)
    shutil.copy(ours / signing.SIGNATURE, other)  # a signature of ours, of another model
    shutil.copy(ours / signing.SIGNATURE, bare)
    assert Recommender.load(bare) is not None  # the same model, file by file: whoever signed the one signed the other
    manifest = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="changed since it was signed"):
        Recommender.load(other)
    monkeypatch.setenv(signing.SIGNING_KEY, str(tmp_path / "ours.pem"))
    saving.sign(other)
    assert Recommender.load(other) is not None
    monkeypatch.delenv(signing.TRUSTED_KEYS)
    (bare / signing.SIGNATURE).unlink()
    assert Recommender.load(bare) is not None


def test_model_that_was_changed_after_it_was_signed_is_not_read(tmp_path: Path, keys: dict[str, str]) -> None:
    """Every digest is made anew, as somebody would who may write to the folder."""
    folder = saved(tmp_path / "m")
    manifest = json.loads((folder / "model.json").read_text())
    manifest["dataset"] = "another"
    del manifest["digest"]
    (folder / "model.json").write_text(json.dumps(manifest | {"digest": saving._digest(manifest)}))
    with pytest.raises(InputError, match="changed since it was signed"):
        Recommender.load(folder)
    for text in ("", "{", "[]", '{"key": 1}', json.dumps({"key": keys["ours"], "signature": "zz"}), "[" * 60_000):
        (folder / signing.SIGNATURE).write_text(text)
        with pytest.raises(InputError, match="signature cannot be read"):
            Recommender.load(folder)
    for signature in ("", "00" * 64, "00" * 63):
        (folder / signing.SIGNATURE).write_text(json.dumps({"key": keys["ours"], "signature": signature}))
        with pytest.raises(InputError, match="changed since it was signed"):
            Recommender.load(folder)
    weights = saved(tmp_path / "w") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="changed since it was saved"):
        Recommender.load(tmp_path / "w")


def test_keys_that_others_can_read_or_that_are_none_are_refused(
    tmp_path: Path, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "m")
    private = tmp_path / "ours.pem"
    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="not overwritten"):
        signing.make_key(private)
    private.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        saving.sign(folder)
    for content in (b"", b"no key", (tmp_path / "trusted").read_bytes()):
        (tmp_path / "bad.pem").write_bytes(content)
        (tmp_path / "bad.pem").chmod(0o600)
        monkeypatch.setenv(signing.SIGNING_KEY, str(tmp_path / "bad.pem"))
        with pytest.raises(InputError, match="no private key"):
            saving.sign(folder)
    for text in ("", "# nobody\n", "ed25519:00\n", keys["ours"].upper(), "ed25519:" + "zz" * 32, "é" * 64):
        (tmp_path / "trusted").write_text(text)
        with pytest.raises(InputError, match=r"public key|cannot be read"):
            Recommender.load(folder)
    (tmp_path / "trusted").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        Recommender.load(folder)
    monkeypatch.setenv(signing.TRUSTED_KEYS, "")  # as where a file of settings fills in a variable that is not set
    with pytest.raises(InputError, match="names no file"):
        Recommender.load(folder)


def test_commands_make_a_key_and_say_nothing_of_its_private_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(signing.SIGNING_KEY, raising=False)
    made = CliRunner().invoke(app, ["keygen", str(tmp_path / "key.pem"), "--json"])
    assert made.exit_code == 0
    assert json.loads(made.output)["key"].startswith("ed25519:")
    secret = (tmp_path / "key.pem").read_text().splitlines()[1]
    assert secret not in made.output
